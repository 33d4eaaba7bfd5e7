#ifndef SSUGRAPH_C_SLOT_STATES_H
#define SSUGRAPH_C_SLOT_STATES_H

/** @file
 *  What layers keep of their sequences: reset, loaded and stored by slots; C++: slot_states.hpp. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/lane.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>
#include <ssugraph/c/tensors.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What one layer keeps of all sequences; C++: cache_view. */
typedef struct ssugraph_cache {
  size_t struct_size;          /**< sizeof(ssugraph_cache) */
  const DLTensor* state;       /**< (slots, nheads, dim, dstate) or (slots, dim, dstate) */
  const DLTensor* state_scale; /**< of int8, int16, e4m3: fp32 (slots, nheads, dim); else NULL */
  /* Of a checkpointed state, all three or none; zero, which is NULL, in a smaller struct. */
  const DLTensor* x_ring;      /**< (slots, nheads, R, dim), floating */
  const DLTensor* B_ring;      /**< (slots, ngroups, R, dstate), floating */
  const DLTensor* dt_ring;     /**< (slots, nheads, R), fp32 */
  const DLTensor* ring_cursor; /**< beside rings: (slots, 4) int32; may be that of several caches */
  const DLTensor* rounding_key; /**< beside rings: (slots) int64 */
} ssugraph_cache;

/** Slots by number; C++: slot_list. */
typedef struct ssugraph_slot_list {
  size_t struct_size;      /**< sizeof(ssugraph_slot_list) */
  const DLTensor* indices; /**< (n), int32 or int64, where the states are; one outside is skipped */
  int64_t null_block_id;   /**< skipped, too, if there is one */
  int32_t has_null_block;  /**< 1: null_block_id is one; 0, with a null_block_id of 0: none */
  int32_t reserved;        /**< 0 */
} ssugraph_slot_list;

/**
 * Zeroes what all layers keep of some sequences: states, scales and cursors; C++: reset_slots of
 * caches. For this and all below: INVALID_ARGUMENT before anything ran, CUDA_ERROR. Stream-ordered,
 * capture-safe, no device allocation. On the host: done when it returns.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_reset_caches(const ssugraph_cache* const* caches,
                                                     size_t cache_count,
                                                     const ssugraph_slot_list* slots,
                                                     ssugraph_stream stream);

/** Stores dense states, one tensor for each of `cache_count` layers, in slots, rounded to nearest;
 *  C++: load_slots. `states`: fp32, fp16 or bf16 (n, nheads, dim, dstate) or (n, dim, dstate).
 *  State i goes to slot i of `slots`; one that is skipped is not read. Slots that are not skipped
 *  are distinct, a promise. Rings are empty afterwards, at position 0. */
SSUGRAPH_C_API ssugraph_status ssugraph_load_slots(const ssugraph_cache* const* caches,
                                                   const DLTensor* const* states,
                                                   size_t cache_count,
                                                   const ssugraph_slot_list* slots,
                                                   ssugraph_stream stream);

/** The same of states that have seen `positions` tokens, int32 or int64 (n), which their cursors
 *  then say; C++: load_slots with positions. An entry with a position outside [0, 2^31 - 65] is
 *  skipped. NULL: all 0. */
SSUGRAPH_C_API ssugraph_status ssugraph_load_slots_at(
    const ssugraph_cache* const* caches, const DLTensor* const* states, size_t cache_count,
    const ssugraph_slot_list* slots, const DLTensor* positions, ssugraph_stream stream);

/** Gives slots an empty ring on the state that lies there, which has seen `positions` tokens; C++:
 *  attach_slots. Writes cursors alone. */
SSUGRAPH_C_API ssugraph_status ssugraph_attach_slots(const ssugraph_cache* const* caches,
                                                     size_t cache_count,
                                                     const ssugraph_slot_list* slots,
                                                     const DLTensor* positions,
                                                     ssugraph_stream stream);

/** The reverse of a load: writes what slots hold to dense states; C++: store_slots. Slots may
 *  repeat; a row that held a NaN or an infinity in a scaled state comes back as NaN. Of a
 *  checkpointed state it is the checkpoint, without the inputs that are in its ring. */
SSUGRAPH_C_API ssugraph_status ssugraph_store_slots(const ssugraph_cache* const* caches,
                                                    const ssugraph_slot_list* slots,
                                                    const DLTensor* const* states,
                                                    size_t cache_count, ssugraph_stream stream);

/** The same of all layers of a lane, where they are bound now, in step order; a step that shares
 *  its state with an earlier one counts for none. C++: lane::caches. Also INVALID_STATE (another
 *  thread is inside the lane). */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_reset_slots(const ssugraph_lane* lane,
                                                         const ssugraph_slot_list* slots,
                                                         ssugraph_stream stream);
/** As ssugraph_lane_reset_slots and ssugraph_load_slots; `states`: one for each of those layers. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_load_slots(const ssugraph_lane* lane,
                                                        const DLTensor* const* states,
                                                        size_t state_count,
                                                        const ssugraph_slot_list* slots,
                                                        ssugraph_stream stream);
/** As ssugraph_lane_reset_slots and ssugraph_load_slots_at. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_load_slots_at(
    const ssugraph_lane* lane, const DLTensor* const* states, size_t state_count,
    const ssugraph_slot_list* slots, const DLTensor* positions, ssugraph_stream stream);
/** As ssugraph_lane_reset_slots and ssugraph_attach_slots. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_attach_slots(const ssugraph_lane* lane,
                                                          const ssugraph_slot_list* slots,
                                                          const DLTensor* positions,
                                                          ssugraph_stream stream);
/** As ssugraph_lane_reset_slots and ssugraph_store_slots. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_store_slots(const ssugraph_lane* lane,
                                                         const ssugraph_slot_list* slots,
                                                         const DLTensor* const* states,
                                                         size_t state_count,
                                                         ssugraph_stream stream);

#ifdef __cplusplus
}
#endif

#endif
