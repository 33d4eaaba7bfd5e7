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
 * @param states  (slots, nheads, dim, dstate) or (slots, dim, dstate) each, or scales of shape
 *                (slots, nheads, dim); shapes may differ
 * @param slots   (n), where the states are
 * Of a scaled state give the scales, too: zero codes beside a scale of NaN are NaN. The overload
 * for caches does both. Throws invalid_argument: also of a tensor that leaves 62 bits of address.
 */
SSUGRAPH_EXPORT void reset_slots(std::span<const tensor_view> states, const slot_list& slots,
                                 stream_handle stream);

/** The same for all that layers keep: state, scale and cursor become zero bytes, a cursor of
 * several layers once; one kernel takes 400 tensors. Rows of rings stay as they are, for behind
 * such a cursor none is live, and rounding keys are the caller's. Also refuses a scaled state
 * without scales, and the reverse; rings without their partners; a cursor on anything else. */
SSUGRAPH_EXPORT void reset_slots(std::span<const cache_view> caches, const slot_list& slots,
                                 stream_handle stream);

}  // namespace ssugraph
