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

from .memory import (ABSENT, ANY, NO_HINT, OCTET, along_dim, along_dstate, load_bits, load_few,
                     scaled, store_float, to_float)
from .programmatic import trigger_successor, wait_for_predecessor
from .rounding import round_stochastically
from .sequence import destination_slot, is_bound, rows_of, source_slot


@gluon.jit
def time_step(dt, dt_bias, dt_softplus, dt_min, dt_max):
    dt += dt_bias
    soft = libdevice.log1p(libdevice.exp(dt))
    dt = gl.where((dt_softplus != 0) & (dt <= 20.0), soft, dt)
    dt = gl.where(dt < dt_min, dt_min, dt)  # a NaN stays one
    return gl.where(dt > dt_max, dt_max, dt)


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
        dim, dstate, heads_per_group, philox_rounds, dt_min, dt_max,
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
    indices = (state_batch_indices, index_stride_0, index_stride_1, index_kind)
    dst_indices = (dst_state_batch_indices, dst_stride_0, dst_stride_1, dst_kind)
    accepted = (num_accepted_tokens, accepted_stride_0, 0, accepted_kind)
    bounds = (cu_seqlens, cu_seqlens_stride_0, 0, cu_seqlens_kind)
    token, length = rows_of(bounds, sequence, rows, max_seqlen, MANY)
    stores_every_token = is_bound(accepted)
    source = source_slot(indices, accepted, sequence, slots, max_seqlen, null_block_id)
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
            step = time_step(to_float(dt_bits, ANY, dt_type), dt_bias_, dt_softplus, dt_min,
                             dt_max)
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
            # Absent, D is zero, and zero times infinity is not.
            result = gl.where(D_type != ABSENT, result + D_ * x_, result)
            if has_z != 0:
                z_ = to_float(z_bits, IO, io_type)
                result *= z_ / (1.0 + libdevice.exp(-z_))
            store_float(out, (token + t) * out_stride_0 + out_in_token, out_rows, result, row_mask,
                        IO, io_type)

            target = destination_slot(indices, dst_indices, stores_every_token, sequence, source, t,
                                      slots, null_block_id)
            if (target >= 0) & (stores_every_token | (t + 1 == length)):
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
