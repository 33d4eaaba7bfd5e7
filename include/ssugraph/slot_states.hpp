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
 * One kernel for up to 200 layers of one format and one dtype of dense states, stream-ordered,
 * capture-safe, no device allocation. On the host: before it returns.
 *
 * @param caches  of each layer; shapes, formats and numbers of slots may differ. Written.
 * @param states  one for each layer: fp32, fp16 or bf16 (n, nheads, dim, dstate) or (n, dim,
 * dstate), any strides
 * @param slots   (n), where the states are; those that are not skipped are distinct, a promise
 * Throws invalid_argument before anything ran, which names a tensor (`caches[2].state_scale`): a
 * layer without states; shapes, dtypes, devices; a scaled state without scales and the reverse; an
 * element of what is written on top of another or of anything else; what leaves 62 bits of address.
 * Else cuda_error.
 */
SSUGRAPH_EXPORT void load_slots(std::span<const cache_view> caches,
                                std::span<const tensor_view> states, const slot_list& slots,
                                stream_handle stream);

/**
 * The reverse: writes what slots hold to dense states, rounded to nearest. A row that held a NaN or
 * an infinity in a scaled state comes back as NaN. What belongs to a skipped slot is left alone,
 * and slots may repeat. All else as load_slots, but that `states` are written and `caches` read.
 */
SSUGRAPH_EXPORT void store_slots(std::span<const cache_view> caches, const slot_list& slots,
                                 std::span<const tensor_view> states, stream_handle stream);

}  // namespace ssugraph
