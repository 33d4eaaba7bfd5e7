#ifndef SSUGRAPH_C_STEP_H
#define SSUGRAPH_C_STEP_H

/**
 * @file
 * Custom steps: whatever of the user's runs between the SSU layers of a pipeline; C++: step.hpp.
 */

#include <ssugraph/c/stream.h>
#include <ssugraph/c/tensors.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Memory that a custom step writes. Never grows. */
typedef struct ssugraph_byte_range {
  const void* data; /**< where it starts */
  size_t bytes;     /**< its length */
} ssugraph_byte_range;

/** C++: step_options. */
typedef struct ssugraph_step_options {
  size_t struct_size;                /**< sizeof this struct */
  int64_t seeds;                     /**< that each replay draws for it */
  size_t scratch_bytes;              /**< that the largest bucket needs */
  const ssugraph_byte_range* writes; /**< NULL: not declared; else all that the step writes */
  size_t write_count;                /**< elements of `writes` */
  /**
   * 0 or 1: a promise that the step's last kernel calls cudaTriggerProgrammaticLaunchCompletion
   * before it ends, and that a kernel of the step that is itself launched programmatically does so
   * in no block before its cudaGridDependencySynchronize. Needs `writes`. Without the promise, a
   * step with a kernel launched programmatically gives no programmatic edge.
   */
  int32_t triggers_early;
  int32_t warm_up; /**< 0 or 1: one call before a CUDA lane's first recording, not captured */
} ssugraph_step_options;

/**
 * What a custom step works on in one bucket; C++: step_context. It and the tensors' descriptors are
 * valid during the call. Counts, seeds, scratch and the tensors' data are at device addresses (host
 * ones in a host pipeline), in memory of the lane that stays and that the prologue of each replay
 * writes. Tensors that the user does not bind are NULL.
 */
typedef struct ssugraph_step_context {
  size_t struct_size;            /**< as the library knows it: look before you read a newer field */
  const int32_t* live_sequences; /**< one int32: the batch of the replay */
  const int32_t* live_rows;      /**< one int32: how many rows that batch has, from first_row on */
  /** The padded copy that the next SSU step takes (behind the last one: the last one), cut to the
   *  bucket: (bucket) or (bucket, T). 0, 1, ... where the user binds none. */
  const DLTensor* state_batch_indices;
  const DLTensor* dst_state_batch_indices; /**< as state_batch_indices */
  const DLTensor* num_accepted_tokens;     /**< (bucket), padded with 1 */
  const DLTensor* cu_seqlens;              /**< (bucket + 1), padded with empty sequences */
  const int64_t* seeds;                    /**< seed_count draws of the replay */
  size_t seed_count;                       /**< `seeds` of the step's options */
  void* scratch;         /**< aligned to 256 bytes; holds anything when the step starts */
  size_t scratch_bytes;  /**< of the step's options */
  int64_t null_block_id; /**< what the indices are padded with; -1 where the user binds none */
  int64_t rows;     /**< of its row tensors: bucket; with cu_seqlens bucket * T, or the budget */
  int32_t bucket;   /**< sequences that it serves */
  int32_t reserved; /**< 0 */
  const int32_t* first_row; /**< one int32: the first live row, cu_seqlens[0]; without them 0 */
  /** (bucket, 8) int32, of steps with rings: rows as C++'s ring_plan_row has them, padded with null
   *  ones. Column 4 is what a convolution's window moves on by. */
  const DLTensor* ring_plan;
} ssugraph_step_context;

/**
 * Enqueues a custom step on `stream`; C++: step_function. 0, or any other value for a failure: the
 * call that records (on the host: that replays) returns SSUGRAPH_STATUS_CALLBACK_FAILED then.
 *
 * A CUDA replay never calls it. It is called once a bucket and recording (again after a rebind, and
 * up to three times more where a capture was spoiled), once an ssugraph_lane_run_eager, and once
 * before the first recording with `warm_up`; it must enqueue the same each time. While it is
 * recorded, `stream` is being captured: no synchronisation, no allocation, no copy from or to
 * pageable memory; other streams may be forked off and must be joined. A host pipeline calls it in
 * every replay, and there it does the work before it returns.
 *
 * It must not call functions of the pipeline or lane that is being recorded.
 */
typedef int (*ssugraph_step_function)(void* user_data, const ssugraph_step_context* context,
                                      ssugraph_stream stream);

/** Called once, on any thread, when nothing can call a step function with `user_data` any more and
 *  the last replay of its lanes is over. Where that is still to run as the last handle goes, by the
 *  first later call that builds a pipeline, makes, rebinds, rebuilds or destroys a lane, or reads a
 *  random state.
 *  Must not fail: what it throws is dropped. */
typedef void (*ssugraph_destroy_function)(void* user_data);

#ifdef __cplusplus
}
#endif

#endif
