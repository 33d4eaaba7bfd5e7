#pragma once

/** @file
 *  Slots of states for sequences that start anew. */

#include <ssugraph/cache_view.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <span>

namespace ssugraph {

/**
 * Zeroes slots of the states of all layers, as a sequence that starts anew needs: one kernel for up
 * to 400 layers, stream-ordered, capture-safe, no device allocation. On the host: before it
 * returns.
 *
 * @param states  (slots, nheads, dim, dstate) or (slots, dim, dstate) each, or any scales; shapes
 *                may differ
 * @param slots   (n), where the states are
 * Throws invalid_argument: also of a tensor that leaves 62 bits of address.
 */
SSUGRAPH_EXPORT void reset_slots(std::span<const tensor_view> states, const slot_list& slots,
                                 stream_handle stream);

/** The same of all that layers keep, scales included, in which 400 tensors are one kernel's. Also
 *  refuses a scaled state without scales, and the reverse. */
SSUGRAPH_EXPORT void reset_slots(std::span<const cache_view> caches, const slot_list& slots,
                                 stream_handle stream);

}  // namespace ssugraph
