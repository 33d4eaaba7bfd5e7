#ifndef SSUGRAPH_C_RINGS_H
#define SSUGRAPH_C_RINGS_H

/** @file
 *  The rings of checkpointed states from step to step, for eager calls and for engines with
 * trackers of their own; C++: rings.hpp, which has the rule. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>
#include <ssugraph/c/tensors.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** C++: ring_plan_args. */
typedef struct ssugraph_ring_plan_args {
  size_t struct_size;          /**< sizeof this struct */
  const DLTensor* ring_plan;   /**< (n, 8) int32, written: rows as C++'s ring_plan_row has them */
  const DLTensor* ring_cursor; /**< (slots, 4) int32, read and written: start, count, pending,
                                    position; zero: fresh */
  const DLTensor* state_batch_indices; /**< optional (n) or (n, T), int32 or int64; column 0 */
  const DLTensor* num_accepted_tokens; /**< optional (n), int32 or int64, of the previous step */
  const DLTensor* cu_seqlens;          /**< optional (n + 1), int32 or int64 */
  int64_t null_block_id;               /**< with has_null_block, the slot that is nobody's */
  int64_t max_seqlen;          /**< T, with cu_seqlens: 1 to 16; 0, as without them, means 1 */
  int64_t checkpoint_interval; /**< W: T to 64; 0 means 16 */
  int64_t ring_rows;           /**< R of the rings: W + 2T - 1 to 128 */
  int32_t has_null_block;      /**< 0 or 1 */
  int32_t reserved;            /**< 0 */
} ssugraph_ring_plan_args;

/** C++: tracker_plan_args. */
typedef struct ssugraph_tracker_plan_args {
  size_t struct_size;                  /**< sizeof this struct */
  const DLTensor* ring_plan;           /**< (n, 8) int32, written */
  const DLTensor* ring_start;          /**< (slots) int32: ring row of the oldest live input */
  const DLTensor* prev_tokens;         /**< (slots) int32: live inputs */
  const DLTensor* positions;           /**< optional (slots) int32: tokens in the checkpoint */
  const DLTensor* state_batch_indices; /**< optional (n) or (n, T), int32 or int64; column 0 */
  const DLTensor* cu_seqlens;          /**< optional (n + 1), int32 or int64 */
  int64_t null_block_id;               /**< with has_null_block, the slot that is nobody's */
  int64_t max_seqlen;          /**< T, with cu_seqlens: 1 to 16; 0, as without them, means 1 */
  int64_t checkpoint_interval; /**< W: T to 64; 0 means 16 */
  int32_t has_null_block;      /**< 0 or 1 */
  int32_t reserved;            /**< 0 */
} ssugraph_tracker_plan_args;

/** Plans a step of eager calls, and takes the cursors on past it: once a step, however many layers
 *  take the plan. INVALID_ARGUMENT before anything ran, CUDA_ERROR. Stream-ordered, capture-safe,
 * no allocation. On the host: done when it returns. C++: plan_rings. */
SSUGRAPH_C_API ssugraph_status ssugraph_plan_rings(const ssugraph_ring_plan_args* args,
                                                   ssugraph_stream stream);

/** Plans a step by the rule of FlashInfer's rings, whose trackers stay the caller's to advance. The
 * rest as ssugraph_plan_rings; C++: plan_from_trackers. */
SSUGRAPH_C_API ssugraph_status ssugraph_plan_from_trackers(const ssugraph_tracker_plan_args* args,
                                                           ssugraph_stream stream);

#ifdef __cplusplus
}
#endif

#endif
