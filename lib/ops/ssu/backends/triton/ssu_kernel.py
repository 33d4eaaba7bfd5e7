"""The SSU kernel of the triton backend, in Gluon, Triton's language of explicit layouts.

A program owns a tile of rows (dim) of one head of one sequence. `DSTATE / 8` neighbouring threads
share a row, each holding eight elements of dstate (an octet) in fp32 from the first token to the
last: tiles have the axes (row, octet, element), and an octet lies in one thread. So state, B, C and
A move by 16 bytes, nothing goes through shared memory, and one Philox draw serves an octet.

Nothing here is specialised by value: what differs between calls is an argument, what differs
between images is a constexpr, and generate.py names both.
"""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.extra import libdevice

# Of a tensor's dtype, as ssugraph::dtype numbers them.
FLOAT32 = gl.constexpr(0)
FLOAT16 = gl.constexpr(1)
BFLOAT16 = gl.constexpr(2)
# As a constexpr: the dtype is an argument. As an argument: the tensor is absent.
ANY = gl.constexpr(3)
ABSENT = gl.constexpr(3)
# As a constexpr: of no matter for an alignment.
NO_HINT = gl.constexpr(4)

# Of an index tensor.
ABSENT_INDEX = gl.constexpr(0)
INT32 = gl.constexpr(1)
INT64 = gl.constexpr(2)

OCTET = gl.constexpr(8)


# --- Programmatic dependent launch ---------------------------------------------------------------


@gluon.jit
def wait_for_predecessor(PROGRAMMATIC: gl.constexpr):
    if PROGRAMMATIC:
        gl.inline_asm_elementwise(
            "griddepcontrol.wait; // $0", "=r", [], dtype=gl.int32, is_pure=False, pack=1)


@gluon.jit
def trigger_successor(PROGRAMMATIC: gl.constexpr):
    if PROGRAMMATIC:
        gl.inline_asm_elementwise(
            "griddepcontrol.launch_dependents; // $0", "=r", [], dtype=gl.int32, is_pure=False, pack=1)


# --- Loads ---------------------------------------------------------------------------------------
# A dtype that is an argument costs one predicated load for each width, of which one happens; a
# branch would make each load wait for its own conversion. Loads come apart from conversions, so that
# all are in flight together.


@gluon.jit
def load_index(base, offset, kind, mask):
    """An index as int64; 0 where `mask` is off or the tensor is absent."""
    narrow = gl.load(base.to(gl.pointer_type(gl.int32), bitcast=True) + offset,
                     mask=mask & (kind == INT32), other=0)
    wide = gl.load(base.to(gl.pointer_type(gl.int64), bitcast=True) + offset,
                   mask=mask & (kind == INT64), other=0)
    return narrow.to(gl.int64) + wide


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


# --- Random numbers and rounding -----------------------------------------------------------------


@gluon.jit
def philox(c0, c1, c2, c3, key_low, key_high, rounds):
    """Philox-4x32 of a counter. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2,
    3", SC 2011."""
    for _ in range(rounds):
        product_0 = c0.to(gl.uint64) * 0xD2511F53
        product_1 = c2.to(gl.uint64) * 0xCD9E8D57
        c0 = (product_1 >> 32).to(gl.uint32) ^ c1 ^ key_low
        c1 = product_1.to(gl.uint32)
        c2 = (product_0 >> 32).to(gl.uint32) ^ c3 ^ key_high
        c3 = product_0.to(gl.uint32)
        key_low += 0x9E3779B9
        key_high += 0xBB67AE85
    return c0, c1, c2, c3


@gluon.jit
def half_word(words, index):
    """Half-word `index` (0..7) of a draw, in the low bits; what is above them is not cleared."""
    w0, w1, w2, w3 = words
    low = gl.where(index < 2, w0[:, :, None], w1[:, :, None])
    high = gl.where(index < 6, w2[:, :, None], w3[:, :, None])
    return gl.where(index < 4, low, high) >> ((index & 1) * 16).to(gl.uint32)


@gluon.jit
def round_to_bfloat16(value, random):
    """Stochastic rounding by 16 bits; the bf16's bits. See lib/state/stochastic_round.hpp."""
    bits = value.to(gl.uint32, bitcast=True)
    magnitude = bits & 0x7fffffff
    rounded = gl.minimum((magnitude + (random & 0xffff)) >> 16, 0x7f7f)
    rounded = gl.where(magnitude > 0x7f800000, 0x7fff, rounded | ((bits >> 16) & 0x8000))
    return rounded.to(gl.uint16)


@gluon.jit
def round_to_float16(value, random):
    """Stochastic rounding by 13 bits; the fp16's bits."""
    bits = value.to(gl.uint32, bitcast=True)
    magnitude = bits & 0x7fffffff
    r = random & 0x1fff
    normal = (magnitude + r - 0x38000000) >> 13
    # fp16 subnormals share one spacing, 2^-24. Sums that round towards zero have an exact floor:
    # |v| * 2^24 + (1 + r / 2^13), then + (2^23 - 1) leaves the integer in the low bits.
    subnormal = gl.inline_asm_elementwise(
        "{ .reg .f32 a; fma.rz.f32 a, $1, 0f4B800000, $2; add.rz.f32 $0, a, 0f4AFFFFFE; }",
        "=f,f,f", [magnitude.to(gl.float32, bitcast=True),
                   ((r << 10) | 0x3f800000).to(gl.float32, bitcast=True)],
        dtype=gl.float32, is_pure=True, pack=1).to(gl.uint32, bitcast=True) & 0x7fff
    rounded = gl.where(magnitude >= 0x38800000, normal, subnormal)
    rounded = gl.minimum(rounded, 0x7bff) | ((bits >> 16) & 0x8000)
    return gl.where(magnitude > 0x7f800000, 0x7fff, rounded).to(gl.uint16)


@gluon.jit
def round_stochastically(value, row, octet, dstate, element, t, slot, seed, rounds,
                         TYPE: gl.constexpr, VECTOR: gl.constexpr):
    """The bits of `value` in a 16-bit TYPE. `row` counts the slot's rows of dstate. An octet takes
    one draw with VECTOR, for dstate is a multiple of eight; else it takes bits of two."""
    if VECTOR:
        # The counter takes the low 32 bits alone.
        draw = (row.to(gl.int32) * (dstate // OCTET) + octet).to(gl.uint32)
    else:
        first = row * dstate + octet * OCTET
        draw = (first >> 3).to(gl.uint32)
    zero = draw & 0
    c1 = zero + t.to(gl.uint32)
    c2 = zero + slot.to(gl.uint32)
    c3 = zero + (slot >> 32).to(gl.uint32)
    key_low = seed.to(gl.uint32)
    key_high = (seed >> 32).to(gl.uint32)
    words = philox(draw, c1, c2, c3, key_low, key_high, rounds)
    if VECTOR:
        random = half_word(words, element)
    else:
        index = (first & 7).to(gl.int32)[:, :, None] + element
        following = philox(draw + 1, c1, c2, c3, key_low, key_high, rounds)
        random = gl.where(index < OCTET, half_word(words, index),
                          half_word(following, index - OCTET))
    return round_to_bfloat16(value, random) if TYPE == BFLOAT16 else round_to_float16(value, random)


# --- Parts of the kernel -------------------------------------------------------------------------


@gluon.jit
def live_slot(slot, slots, null_block_id):
    """`slot`, or -1 for the null block and for slots that do not exist."""
    return gl.where((slot != null_block_id) & (slot >= 0) & (slot < slots), slot, -1)


@gluon.jit
def clamp(value, low, high):
    return gl.minimum(gl.maximum(value, low), high)


@gluon.jit
def time_step(dt, dt_bias, dt_softplus):
    dt += dt_bias
    soft = libdevice.log1p(libdevice.exp(dt))
    return gl.where((dt_softplus != 0) & (dt <= 20.0), soft, dt)


@gluon.jit
def column(rows):
    """(row) as (row, 1, 1)."""
    return rows[:, None][:, :, None]


@gluon.jit
def load_inputs(x, x_offsets, dt, dt_offsets, z, z_offsets, B, B_offsets, C, C_offsets, token,
                row_mask, dt_mask, n_mask, io_type, dt_type, has_z, IO: gl.constexpr,
                VECTOR: gl.constexpr):
    """One token's inputs as they lie in memory. Offsets: (stride of a token, origin in a token,
    offsets from there)."""
    B_bits = load_bits(B, B_offsets[1] + scaled(token, B_offsets[0], IO, VECTOR), B_offsets[2],
                       n_mask, IO, io_type)
    C_bits = load_bits(C, C_offsets[1] + scaled(token, C_offsets[0], IO, VECTOR), C_offsets[2],
                       n_mask, IO, io_type)
    # ptxas would put off these until dt has come and its exponential is made; it moves no load across
    # a barrier.
    gl.thread_barrier()
    x_bits = load_bits(x, x_offsets[1] + token * x_offsets[0], x_offsets[2], row_mask, IO, io_type)
    z_bits = load_bits(z, z_offsets[1] + token * z_offsets[0], z_offsets[2],
                       row_mask & (has_z != 0), IO, io_type)
    dt_bits = load_few(dt, dt_offsets[1] + token * dt_offsets[0], dt_offsets[2], dt_mask, dt_type)
    return x_bits, dt_bits, z_bits, B_bits, C_bits


# --- The kernel ----------------------------------------------------------------------------------


@gluon.jit
def ssu(state, x, dt, z, out, A, B, C, D, dt_bias,
        state_batch_indices, dst_state_batch_indices, num_accepted_tokens, cu_seqlens, rand_seed,
        state_stride_0, state_stride_1, state_stride_2, state_stride_3,
        x_stride_0, x_stride_1, x_stride_2,
        dt_stride_0, dt_stride_1, dt_stride_2,
        z_stride_0, z_stride_1, z_stride_2,
        out_stride_0, out_stride_1, out_stride_2,
        A_stride_0, A_stride_1, A_stride_2,
        B_stride_0, B_stride_1, B_stride_2,
        C_stride_0, C_stride_1, C_stride_2,
        D_stride_0, D_stride_1,
        dt_bias_stride_0, dt_bias_stride_1,
        index_stride_0, index_stride_1, dst_stride_0, dst_stride_1,
        accepted_stride_0, cu_seqlens_stride_0,
        drawn_seed, slots, rows, max_seqlen, null_block_id,
        dim, dstate, heads_per_group, philox_rounds,
        io_type, dt_type, A_type, D_type, dt_bias_type,
        index_kind, dst_kind, accepted_kind, cu_seqlens_kind,
        has_rand_seed, has_z, dt_softplus, reads_ahead,
        STATE: gl.constexpr, ROUNDING: gl.constexpr, IO: gl.constexpr, DSTATE: gl.constexpr,
        TIED: gl.constexpr, MANY: gl.constexpr, VECTOR: gl.constexpr, ROWS: gl.constexpr,
        WARPS: gl.constexpr, PROGRAMMATIC: gl.constexpr):
    # --- The tile
    OCTETS: gl.constexpr = DSTATE // OCTET
    TILE: gl.constexpr = gl.BlockedLayout([1, 1, OCTET], [32 // OCTETS, OCTETS, 1], [WARPS, 1, 1],
                                          [2, 1, 0])
    BY_OCTET: gl.constexpr = gl.SliceLayout(2, TILE)
    BY_ROW: gl.constexpr = gl.SliceLayout(1, BY_OCTET)
    IN_ROW: gl.constexpr = gl.SliceLayout(0, TILE)
    sequence = gl.program_id(0).to(gl.int64)
    head = gl.program_id(1).to(gl.int64)
    group = (gl.program_id(1) // heads_per_group).to(gl.int64)
    first_row = gl.program_id(2) * ROWS
    first_d = first_row.to(gl.int64)
    d = gl.arange(0, ROWS, layout=BY_ROW)  # from there
    octets = gl.arange(0, OCTETS, layout=gl.SliceLayout(1, IN_ROW))
    elements = gl.arange(0, OCTET, layout=gl.SliceLayout(0, IN_ROW))
    octet = gl.arange(0, OCTETS, layout=gl.SliceLayout(0, BY_OCTET))[None, :]
    row_mask = d < dim - first_row
    if VECTOR:
        n_mask = (octets * OCTET < dstate)[:, None] & (elements < OCTET)[None, :]
    else:
        n_mask = (octets * OCTET)[:, None] + elements[None, :] < dstate
    tile_mask = column(row_mask) & n_mask[None, :, :]

    # --- The sequence
    # Before the wait nothing is written, and nothing is read that a launch in front writes.
    if reads_ahead == 0:
        wait_for_predecessor(PROGRAMMATIC)
    token = sequence
    length = gl.to_tensor(1)
    if MANY:
        is_varlen = cu_seqlens_kind != ABSENT_INDEX
        begin = load_index(cu_seqlens, sequence * cu_seqlens_stride_0, cu_seqlens_kind, True)
        end = load_index(cu_seqlens, (sequence + 1) * cu_seqlens_stride_0, cu_seqlens_kind, True)
        begin = clamp(begin, 0, rows)
        end = clamp(end, begin, rows)
        token = gl.where(is_varlen, begin, token)
        length = gl.where(is_varlen, gl.minimum(end - begin, max_seqlen), 1).to(gl.int32)
    is_speculative = accepted_kind != ABSENT_INDEX
    accepted = load_index(num_accepted_tokens, sequence * accepted_stride_0, accepted_kind, True)
    read_column = clamp(accepted - 1, 0, max_seqlen - 1)
    source = sequence
    if index_kind != ABSENT_INDEX:
        source = live_slot(load_index(state_batch_indices, sequence * index_stride_0 +
                                      read_column * index_stride_1, index_kind, True),
                           slots, null_block_id)
    live = (source >= 0) & (length > 0)

    # --- The state
    in_slot = (column(along_dim(d, state_stride_2, STATE, VECTOR)) +
               along_dstate(octets, elements, state_stride_3, VECTOR)[None, :, :])
    state += (scaled(head, state_stride_1, STATE, VECTOR) +
              scaled(first_d, state_stride_2, STATE, VECTOR))
    raw = gl.load(state + scaled(source, state_stride_0, STATE, VECTOR) + in_slot,
                  mask=tile_mask & live, other=0.0)
    wait_for_predecessor(PROGRAMMATIC)
    trigger_successor(PROGRAMMATIC)

    out_in_token = head * out_stride_1 + first_d * out_stride_2
    out_rows = along_dim(d, out_stride_2, NO_HINT, VECTOR)
    if live:
        # --- The inputs of the first token
        # Where tied, what belongs to the time step is one scalar a head.
        if TIED:
            dt_in_token = gl.to_tensor(0)
            dt_mask = gl.to_tensor(True)
        else:
            dt_in_token = along_dim(d, dt_stride_2, NO_HINT, VECTOR)
            dt_mask = row_mask
        x_offsets = (x_stride_0, head * x_stride_1 + first_d * x_stride_2,
                     along_dim(d, x_stride_2, NO_HINT, VECTOR))
        dt_offsets = (dt_stride_0, head * dt_stride_1 + first_d * dt_stride_2, dt_in_token)
        z_offsets = (z_stride_0, head * z_stride_1 + first_d * z_stride_2,
                     along_dim(d, z_stride_2, NO_HINT, VECTOR))
        B_offsets = (B_stride_0, scaled(group, B_stride_1, IO, VECTOR),
                     along_dstate(octets, elements, B_stride_2, VECTOR))
        C_offsets = (C_stride_0, scaled(group, C_stride_1, IO, VECTOR),
                     along_dstate(octets, elements, C_stride_2, VECTOR))
        inputs = load_inputs(x, x_offsets, dt, dt_offsets, z, z_offsets, B, B_offsets, C, C_offsets,
                             token, row_mask, dt_mask, n_mask, io_type, dt_type, has_z, IO, VECTOR)

        # --- The parameters of the head
        if TIED:
            A_bits = load_few(A, head * A_stride_0, dt_in_token, dt_mask, A_type)
            dt_bias_in_head = dt_in_token
        else:
            A_in_head = (scaled(head, A_stride_0, ANY, VECTOR) +
                         scaled(first_d, A_stride_1, ANY, VECTOR))
            A_in_tile = (column(along_dim(d, A_stride_1, ANY, VECTOR)) +
                         along_dstate(octets, elements, A_stride_2, VECTOR)[None, :, :])
            A_bits = load_bits(A, A_in_head, A_in_tile, tile_mask, ANY, A_type)
            dt_bias_in_head = along_dim(d, dt_bias_stride_1, NO_HINT, VECTOR)
        dt_bias_bits = load_few(dt_bias, head * dt_bias_stride_0 + first_d * dt_bias_stride_1,
                                dt_bias_in_head, dt_mask, dt_bias_type)
        D_bits = load_few(D, head * D_stride_0 + first_d * D_stride_1,
                          along_dim(d, D_stride_1, NO_HINT, VECTOR), row_mask, D_type)
        seed = drawn_seed
        if ROUNDING:
            if has_rand_seed != 0:
                seed = gl.load(rand_seed)

        # --- The tokens
        A_ = to_float(A_bits, ANY, A_type)
        D_ = to_float(D_bits, ANY, D_type)
        dt_bias_ = to_float(dt_bias_bits, ANY, dt_bias_type)
        h = raw.to(gl.float32)
        for t in range(length if MANY else 1):
            x_bits, dt_bits, z_bits, B_bits, C_bits = inputs
            if MANY:
                more = t + 1 < length
                inputs = load_inputs(x, x_offsets, dt, dt_offsets, z, z_offsets, B, B_offsets, C,
                                     C_offsets, token + t + 1, row_mask & more, dt_mask & more,
                                     n_mask & more, io_type, dt_type, has_z, IO, VECTOR)
            x_ = to_float(x_bits, IO, io_type)
            step = time_step(to_float(dt_bits, ANY, dt_type), dt_bias_, dt_softplus)
            if TIED:
                decay = libdevice.exp(A_ * step)
            else:
                decay = libdevice.exp(A_ * column(step))
            h = h * decay + column(step * x_) * to_float(B_bits, IO, io_type)[None, :, :]
            product = h * to_float(C_bits, IO, io_type)[None, :, :]
            # Past the row's end everything is zero, and infinity times zero is not.
            if not VECTOR:
                product = gl.where(n_mask[None, :, :], product, 0.0)
            of_octet = gl.sum(product, 2)
            if VECTOR:
                of_octet = gl.where(octet * OCTET < dstate, of_octet, 0.0)
            result = gl.sum(of_octet, 1)
            result += D_ * x_
            if has_z != 0:
                z_ = to_float(z_bits, IO, io_type)
                result *= z_ / (1.0 + libdevice.exp(-z_))
            store_float(out, (token + t) * out_stride_0 + out_in_token, out_rows, result, row_mask,
                        IO, io_type)

            # The state after every token where speculative, else after the last one.
            target = source
            if dst_kind != ABSENT_INDEX:
                write_column = gl.where(is_speculative, t, 0)
                target = live_slot(load_index(dst_state_batch_indices, sequence * dst_stride_0 +
                                              write_column * dst_stride_1, dst_kind, True),
                                   slots, null_block_id)
            elif is_speculative:
                target = live_slot(load_index(state_batch_indices, sequence * index_stride_0 +
                                              t * index_stride_1, index_kind, True),
                                   slots, null_block_id)
            if (target >= 0) & (is_speculative | (t + 1 == length)):
                if ROUNDING:
                    row = (head * dim + first_d + d)[:, None]
                    stored = round_stochastically(h, row, octet, dstate,
                                                  elements[None, :][None, :, :], t, source, seed,
                                                  philox_rounds, STATE, VECTOR)
                    stored = stored.to(state.dtype.element_ty, bitcast=True)
                else:
                    stored = h.to(state.dtype.element_ty)
                gl.store(state + scaled(target, state_stride_0, STATE, VECTOR) + in_slot, stored,
                         mask=tile_mask)
    else:
        for t in range(length):
            store_float(out, (token + t) * out_stride_0 + out_in_token, out_rows,
                        gl.zeros([ROWS], gl.float32, layout=BY_ROW), row_mask, IO, io_type)
