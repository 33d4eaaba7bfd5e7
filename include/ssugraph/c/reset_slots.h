#ifndef SSUGRAPH_C_RESET_SLOTS_H
#define SSUGRAPH_C_RESET_SLOTS_H

/** @file
 *  Slots of states for sequences that start anew; C++: reset_slots.hpp. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>
#include <ssugraph/c/tensors.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Zeroes slots of the states of all layers; C++: reset_slots. `states`: (slots, nheads, dim,
 * dstate) or (slots, dim, dstate) each, of any dtype that states have, or scales of shape
 * (slots, nheads, dim); shapes may differ. Of a scaled state give the scales, too: zero codes
 * beside a scale of NaN are NaN. `slots`: (n), int32 or int64, where the states are; one outside a
 * state is skipped. INVALID_ARGUMENT before anything ran; CUDA_ERROR. Stream-ordered, capture-safe,
 * no device allocation. On the host: done when it returns. States and scales together, by layer:
 * ssugraph_reset_caches.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_reset_slots(const DLTensor* const* states,
                                                    size_t state_count, const DLTensor* slots,
                                                    ssugraph_stream stream);

#ifdef __cplusplus
}
#endif

#endif
