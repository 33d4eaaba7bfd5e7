"""The rows and slots of a sequence, by the rule of lib/step/sequence.hpp. An index tensor is the tuple
(base, stride 0, stride 1, kind)."""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl

# Of an index tensor.
ABSENT_INDEX = gl.constexpr(0)
INT32 = gl.constexpr(1)
INT64 = gl.constexpr(2)


@gluon.jit
def load_index(tensor, i, j):
    """An index as int64; 0 where the tensor is absent."""
    base, stride_0, stride_1, kind = tensor
    offset = i * stride_0 + j * stride_1
    narrow = gl.load(base.to(gl.pointer_type(gl.int32), bitcast=True) + offset,
                     mask=kind == INT32, other=0)
    wide = gl.load(base.to(gl.pointer_type(gl.int64), bitcast=True) + offset,
                   mask=kind == INT64, other=0)
    return narrow.to(gl.int64) + wide


@gluon.jit
def is_bound(tensor):
    return tensor[3] != ABSENT_INDEX


@gluon.jit
def clamp(value, low, high):
    return gl.minimum(gl.maximum(value, low), high)


@gluon.jit
def rows_of(cu_seqlens, sequence, rows, max_seqlen, MANY: gl.constexpr):
    """The first row of a sequence, and how many it has."""
    first = sequence
    length = gl.to_tensor(1)
    if MANY:
        is_varlen = is_bound(cu_seqlens)
        begin = load_index(cu_seqlens, sequence, 0)
        end = load_index(cu_seqlens, sequence + 1, 0)
        begin = clamp(begin, 0, rows)
        end = clamp(end, begin, rows)
        first = gl.where(is_varlen, begin, first)
        length = gl.where(is_varlen, gl.minimum(end - begin, max_seqlen), 1).to(gl.int32)
    return first, length


@gluon.jit
def live_slot(indices, sequence, column, slots, null_block_id):
    """A slot that exists, or -1: the null block, or one that does not."""
    slot = load_index(indices, sequence, column)
    return gl.where((slot != null_block_id) & (slot >= 0) & (slot < slots), slot, -1)


@gluon.jit
def source_slot(indices, accepted, sequence, slots, max_seqlen, null_block_id):
    """The slot that a sequence reads; -1: it is null."""
    column = clamp(load_index(accepted, sequence, 0) - 1, 0, max_seqlen - 1)
    source = sequence
    if is_bound(indices):
        source = live_slot(indices, sequence, column, slots, null_block_id)
    return source


@gluon.jit
def destination_slot(indices, dst_indices, stores_every_token, sequence, source, t, slots,
                     null_block_id):
    """The slot that takes the state after token `t`, if it is stored then; -1: a null one."""
    target = source
    if is_bound(dst_indices):
        column = gl.where(stores_every_token, t, 0)
        target = live_slot(dst_indices, sequence, column, slots, null_block_id)
    elif stores_every_token:
        target = live_slot(indices, sequence, t, slots, null_block_id)
    return target
