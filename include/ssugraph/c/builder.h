#ifndef SSUGRAPH_C_BUILDER_H
#define SSUGRAPH_C_BUILDER_H

/** @file
 *  From steps to a pipeline; C++: pipeline_builder.hpp, tuning.hpp, recording.hpp. */

#include <ssugraph/c/config.h>
#include <ssugraph/c/export.h>
#include <ssugraph/c/pipeline.h>
#include <ssugraph/c/ssu.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/step.h>
#include <ssugraph/c/toggle.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** C++: pipeline_builder. */
typedef struct ssugraph_builder ssugraph_builder;

/** C++: ssu_options. */
typedef struct ssugraph_ssu_options {
  size_t struct_size; /**< sizeof this struct */
  int32_t
      shares_state; /**< 0 or 1: reads and writes the state of an earlier step, with its scales */
  int32_t reserved; /**< 0 */
  /** The name of the sequences that the step is of (ssugraph_builder_sequences), or NULL. It binds
   *  none of their tensors itself then, its has_null_block is 0, and its other
   *  scalars of theirs are 0, or equal. */
  const char* sequences;
} ssugraph_ssu_options;

/** What layers share of their sequences, as ssugraph_ssu_args has it; C++: sequence_group. */
typedef struct ssugraph_sequence_group {
  size_t struct_size;                      /**< sizeof this struct */
  const DLTensor* state_batch_indices;     /**< optional (n) or (n, T), int32 or int64 */
  const DLTensor* dst_state_batch_indices; /**< optional, the same shape */
  const DLTensor* num_accepted_tokens;     /**< optional (n), int32 or int64 */
  const DLTensor* cu_seqlens;              /**< optional (n + 1), int32 or int64 */
  const DLTensor* ring_cursor;             /**< of steps with rings: (slots, 4) int32 */
  const DLTensor* ring_plan;               /**< or (n, 8) int32 */
  const DLTensor* rounding_key;            /**< optional, of steps with rings: (slots) int64 */
  int64_t null_block_id;                   /**< with has_null_block, the slot that is nobody's */
  int64_t max_seqlen;                      /**< T, with cu_seqlens */
  int64_t checkpoint_interval;             /**< W, of steps with rings; 0 means 16 */
  int32_t has_null_block;                  /**< 0 or 1 */
  int32_t reserved;                        /**< 0 */
} ssugraph_sequence_group;

/** C++: tuning_options. */
typedef struct ssugraph_tuning_options {
  size_t struct_size;      /**< sizeof this struct */
  const char* cache_file;  /**< NULL: none */
  double scratch_fraction; /**< of the free device memory; 0 means 0.25 */
  int32_t measure;         /**< an ssugraph_toggle: backend `automatic` measures; default: on */
  int32_t batch_invariant; /**< 0 or 1: one plan for all buckets of a problem */
} ssugraph_tuning_options;

/** C++: recording_options. */
typedef struct ssugraph_recording_options {
  size_t struct_size;     /**< sizeof this struct */
  size_t max_graphs;      /**< of a lane; 0: any number */
  size_t max_bytes;       /**< of device memory for a lane; 0: any */
  int32_t lazy;           /**< 0 or 1: a bucket is recorded by its first use */
  int32_t strict_capture; /**< 0 or 1: use of the legacy stream in a custom step is an error */
  int32_t checked;        /**< an ssugraph_toggle: promises are verified; default: as built */
  int32_t reserved;       /**< 0 */
} ssugraph_recording_options;

/** cudaPeekAtLastError or cudaGetLastError, whose cudaError_t is an int. */
typedef int (*ssugraph_last_error_function)(void);

/**
 * `buckets`: sequences, each 1..2^20, in any order, none twice. `target`: SSUGRAPH_TARGET_CUDA or
 * _HOST, which resolves every step to the CPU. INVALID_ARGUMENT; UNSUPPORTED without a GPU for
 * SSUGRAPH_TARGET_CUDA.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_create(const ssugraph_config* config,
                                                       const int32_t* buckets, size_t bucket_count,
                                                       int32_t target, ssugraph_builder** builder);

/** Ends the handle; what it built goes on. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_destroy(ssugraph_builder* builder);

/**
 * Appends one SSU layer. Its tensors hold the largest bucket: max_batch sequences of a row each,
 * with cu_seqlens of T rows (or fewer: ssugraph_builder_rows). `rand_seed` is NULL, for seeds come
 * from the lane; varlen needs `max_seqlen`. All layers share one mode and one T. INVALID_ARGUMENT
 * or UNSUPPORTED leave the builder as it was.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_ssu(ssugraph_builder* builder, const char* name,
                                                    const ssugraph_ssu_args* args,
                                                    const ssugraph_ssu_options* options);

/** Names sequences for the steps behind that ask for them. Bindings of `name` replace a tensor of
 *  theirs in all of these at once. INVALID_ARGUMENT, also for a name that is taken, leaves the
 *  builder as it was; C++: pipeline_builder::sequences. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_sequences(ssugraph_builder* builder,
                                                          const char* name,
                                                          const ssugraph_sequence_group* group);

/** Appends a custom step. `destroy` may be NULL; it is called only if this call succeeds.
 *  INVALID_ARGUMENT leaves the builder as it was. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_step(ssugraph_builder* builder, const char* name,
                                                     ssugraph_step_function function,
                                                     void* user_data,
                                                     ssugraph_destroy_function destroy,
                                                     const ssugraph_step_options* options);

/**
 * The CUDA runtime that step functions use: its cudaPeekAtLastError and cudaGetLastError. With them
 * a recording that fails leaves no last error there that was not there before; without, as by
 * default and with both NULL, it leaves what the function's own calls met. INVALID_ARGUMENT if one
 * alone is NULL.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_last_error(ssugraph_builder* builder,
                                                           ssugraph_last_error_function peek,
                                                           ssugraph_last_error_function get);

/** A budget of rows for what cu_seqlens bound: a bucket of b sequences has min(b * T, count) rows,
 *  and cu_seqlens[batch] is never above that. 0, the default: b * T. Before the first
 *  ssugraph_builder_ssu. INVALID_ARGUMENT (negative), INVALID_STATE; C++: pipeline_builder::rows.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_rows(ssugraph_builder* builder, int64_t count);

/** Whether library kernels overlap where they can: 0 or 1, and 1 by default. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status
ssugraph_builder_programmatic_dependent_launch(ssugraph_builder* builder, int32_t enabled);

/** How plans are chosen. INVALID_ARGUMENT unless scratch_fraction is in (0, 1], or 0 for its
 *  default; also for flags and a cache_file that is not UTF-8. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_tuning(ssugraph_builder* builder,
                                                       const ssugraph_tuning_options* options);

/** How all lanes of what is built record their graphs. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status
ssugraph_builder_recording(ssugraph_builder* builder, const ssugraph_recording_options* options);

/** Resolves every step for every bucket. INVALID_STATE without an SSU step, INVALID_ARGUMENT for
 *  more buckets than `max_graphs`, CUDA_ERROR. The builder may build again. */
SSUGRAPH_C_API ssugraph_status ssugraph_builder_build(ssugraph_builder* builder,
                                                      ssugraph_pipeline** pipeline);

#ifdef __cplusplus
}
#endif

#endif
