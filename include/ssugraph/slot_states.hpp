#pragma once

/** @file
 *  States into slots and out of them, as numbers: a prefill's, say, which decoding goes on from. */

#include <ssugraph/cache_view.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <span>

namespace ssugraph {

/**
 * Stores dense states in slots of all layers, in the format of each: rounded to nearest, a scaled
 * one with its scales, by the bits that a step would store without stochastic rounding. State i
 * goes to slot i of `slots`; one that is skipped is not read.
 *
 * @code{.cpp}
 * ssugraph::load_slots(lane.caches(), prefilled, {started_slots, null_block_id}, stream);
 * lane.replay(batch, stream);
 * @endcode
 *
 * A ring is empty afterwards, on a state that has seen no token: its cursor becomes {0, 0, 0, 0},
 * once, however many layers share it. Rows of rings and rounding keys are left alone.
 *
 * One kernel for up to 190 layers of one format and one dtype of dense states, stream-ordered,
 * capture-safe, no device allocation. On the host: before it returns.
 *
 * @param caches  of each layer; shapes, formats and numbers of slots may differ. States, scales and
 * cursors are written.
 * @param states  one for each layer: fp32, fp16 or bf16 (n, nheads, dim, dstate) or (n, dim,
 * dstate), any strides
 * @param slots   (n), where the states are; those that are not skipped are distinct, a promise
 * Throws invalid_argument before anything ran, which names a tensor (`caches[2].state_scale`): a
 * layer without states; shapes, dtypes, devices; a scaled state without scales and the reverse; an
 * element of what is written on top of another or of anything else (a cursor may be that of
 * several caches); what leaves 62 bits of address. Else cuda_error.
 */
SSUGRAPH_EXPORT void load_slots(std::span<const cache_view> caches,
                                std::span<const tensor_view> states, const slot_list& slots,
                                stream_handle stream);

/** The same of states that have seen `positions` tokens, int32 or int64 (n), where the slots are:
 *  cursors become {0, 0, 0, position}. An entry with a position outside [0, 2^31 - 65] is skipped
 * as a whole, state and cursor. Without positions ({}): all 0. */
SSUGRAPH_EXPORT void load_slots(std::span<const cache_view> caches,
                                std::span<const tensor_view> states, const slot_list& slots,
                                const tensor_view& positions, stream_handle stream);

/**
 * Gives slots an empty ring on the state that lies there, which has seen `positions` tokens: what a
 * prefill leaves that writes states itself. Only cursors are written; caches without one are left
 * alone. One kernel for up to 1024 cursors. All else as load_slots with positions, which there have
 * to be.
 */
SSUGRAPH_EXPORT void attach_slots(std::span<const cache_view> caches, const slot_list& slots,
                                  const tensor_view& positions, stream_handle stream);

/**
 * The reverse of load_slots: writes what slots hold to dense states, rounded to nearest. A row that
 * held a NaN or an infinity in a scaled state comes back as NaN. What belongs to a skipped slot is
 * left alone, and slots may repeat. Of a checkpointed state it is the checkpoint alone: inputs that
 * are in the ring still are not part of it. All else as load_slots, but that `states` are written
 * and `caches` read.
 */
SSUGRAPH_EXPORT void store_slots(std::span<const cache_view> caches, const slot_list& slots,
                                 std::span<const tensor_view> states, stream_handle stream);

}  // namespace ssugraph
