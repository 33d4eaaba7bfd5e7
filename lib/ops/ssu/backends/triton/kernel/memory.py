"""Loads, stores and offsets of tensors whose dtype is a constexpr or an argument.

A dtype that is an argument costs one predicated load for each width, of which one happens; a branch
would make each load wait for its own conversion. Loads come apart from conversions, so that all are
in flight together.
"""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl

# Of a tensor's dtype, as ssugraph::dtype numbers them.
FLOAT32 = gl.constexpr(0)
FLOAT16 = gl.constexpr(1)
BFLOAT16 = gl.constexpr(2)
# As a constexpr: the dtype is an argument. As an argument: the tensor is absent.
ANY = gl.constexpr(3)
ABSENT = gl.constexpr(3)
# As a constexpr: of no matter for an alignment.
NO_HINT = gl.constexpr(4)

OCTET = gl.constexpr(8)


@gluon.jit
def load_bits(base, origin, offsets, mask, TYPE: gl.constexpr, kind):
    """Elements as they lie in memory, for `to_float`: 16-bit ones and 32-bit ones."""
    if TYPE == ANY:
        narrow = gl.load(base.to(gl.pointer_type(gl.int16), bitcast=True) + origin + offsets,
                         mask=mask & (kind != FLOAT32) & (kind != ABSENT), other=0)
        wide = gl.load(base.to(gl.pointer_type(gl.float32), bitcast=True) + origin + offsets,
                       mask=mask & (kind == FLOAT32), other=0.0)
        return narrow, wide
    else:
        value = gl.load(base + origin + offsets, mask=mask, other=0.0)
        return value, value


@gluon.jit
def load_few(base, origin, offsets, mask, kind):
    """`load_bits` of a run-time dtype that shares one address computation and loses what is known
    of its alignment."""
    shift = gl.where(kind == FLOAT32, 2, 1)
    address = base.to(gl.pointer_type(gl.int8), bitcast=True) + (origin << shift)
    address += offsets << shift
    narrow = gl.load(address.to(gl.pointer_type(gl.int16), bitcast=True),
                     mask=mask & (kind != FLOAT32) & (kind != ABSENT), other=0)
    wide = gl.load(address.to(gl.pointer_type(gl.float32), bitcast=True),
                   mask=mask & (kind == FLOAT32), other=0.0)
    return narrow, wide


@gluon.jit
def to_float(bits, TYPE: gl.constexpr, kind):
    narrow, wide = bits
    if TYPE == ANY:
        half = narrow.to(gl.float16, bitcast=True).to(gl.float32)
        brain = narrow.to(gl.bfloat16, bitcast=True).to(gl.float32)
        return gl.where(kind == FLOAT32, wide, gl.where(kind == FLOAT16, half, brain))
    else:
        return narrow.to(gl.float32)


@gluon.jit
def store_float(base, origin, offsets, value, mask, TYPE: gl.constexpr, kind):
    if TYPE == ANY:
        half = value.to(gl.float16).to(gl.int16, bitcast=True)
        brain = value.to(gl.bfloat16).to(gl.int16, bitcast=True)
        gl.store(base.to(gl.pointer_type(gl.int16), bitcast=True) + origin + offsets,
                 gl.where(kind == FLOAT16, half, brain), mask=mask & (kind != FLOAT32))
        gl.store(base.to(gl.pointer_type(gl.float32), bitcast=True) + origin + offsets, value,
                 mask=mask & (kind == FLOAT32))
    else:
        gl.store(base + origin + offsets, value.to(base.dtype.element_ty), mask=mask)


@gluon.jit
def scaled(index, stride, TYPE: gl.constexpr, VECTOR: gl.constexpr):
    """index * stride, with what the host has checked of VECTOR: a multiple of 16 bytes."""
    offset = index * stride
    if VECTOR and TYPE != NO_HINT:
        offset = gl.multiple_of(offset, 4 if TYPE == FLOAT32 or TYPE == ANY else OCTET)
    return offset


@gluon.jit
def along_dim(rows, stride, TYPE: gl.constexpr, VECTOR: gl.constexpr):
    """Offsets of a tile's rows from its first. With VECTOR the host has checked that 32 bits hold
    them, and four times as many; `TYPE` is as for `scaled`."""
    if VECTOR:
        return scaled(rows, stride.to(gl.int32), TYPE, True)
    else:
        return rows.to(gl.int64) * stride


@gluon.jit
def along_dstate(octets, elements, stride, VECTOR: gl.constexpr):
    """Offsets (octet, element) along dstate; contiguous with VECTOR."""
    n = (octets * OCTET)[:, None] + elements[None, :]
    return n if VECTOR else n.to(gl.int64) * stride
