#pragma once

/** @file
 *  Slots of states for sequences that start anew. */

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
 * @param states  (slots, nheads, dim, dstate) or (slots, dim, dstate) each, and beside a scaled one
 *                its scales, (slots, nheads, dim); shapes may differ
 * @param slots   int32 or int64 (n), where the states are; a slot outside a state is skipped
 * Throws invalid_argument: also of a tensor that leaves 62 bits of address.
 */
SSUGRAPH_EXPORT void reset_slots(std::span<const tensor_view> states, const tensor_view& slots,
                                 stream_handle stream);

}  // namespace ssugraph
