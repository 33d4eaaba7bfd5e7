#ifndef SSUGRAPH_C_PIPELINE_H
#define SSUGRAPH_C_PIPELINE_H

/** @file
 *  Steps, resolved for every bucket; C++: pipeline.hpp, which has the contract. */

#include <ssugraph/c/binding.h>
#include <ssugraph/c/export.h>
#include <ssugraph/c/lane.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** C++: pipeline. */
typedef struct ssugraph_pipeline ssugraph_pipeline;

/** Where a pipeline runs; C++: target. */
typedef enum ssugraph_target {
  SSUGRAPH_TARGET_CUDA = 0, /**< on a GPU, as graphs */
  SSUGRAPH_TARGET_HOST = 1  /**< on the CPU, before a replay returns */
} ssugraph_target;

/** Ends the handle; lanes that it made go on. INVALID_ARGUMENT. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_destroy(ssugraph_pipeline* pipeline);

/** Records one graph a bucket for `stream`; C++: pipeline::make_lane, with all that it throws.
 *  Allocates; nothing runs on bound tensors but custom steps' warm-up. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_make_lane(const ssugraph_pipeline* pipeline,
                                                           const ssugraph_binding* bindings,
                                                           size_t binding_count,
                                                           ssugraph_stream stream,
                                                           ssugraph_lane** lane);

/** SSU layers and custom steps. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_step_count(const ssugraph_pipeline* pipeline,
                                                            size_t* count);

/** The place of the step called `name`. INVALID_ARGUMENT if there is none. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_step_index(const ssugraph_pipeline* pipeline,
                                                            const char* name, size_t* index);

/** Ascending. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_buckets(const ssugraph_pipeline* pipeline,
                                                         int32_t* buckets, size_t capacity,
                                                         size_t* count);

/** An ssugraph_target. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_target(const ssugraph_pipeline* pipeline,
                                                        int32_t* target);

/** How many seeds one replay draws. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_seeds_per_replay(const ssugraph_pipeline* pipeline,
                                                                  int64_t* seeds);

/** Device memory that a lane takes, before there is one; C++: pipeline::lane_bytes. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_lane_bytes(const ssugraph_pipeline* pipeline,
                                                            uint64_t* bytes);

/** The plan of SSU step `step` in bucket number `bucket_index`, in words. INVALID_ARGUMENT out of
 *  range and for a custom step. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_plan(const ssugraph_pipeline* pipeline,
                                                      size_t step, size_t bucket_index, char* text,
                                                      size_t capacity, size_t* length);

/** What was measured for that plan, a line a candidate; empty if nothing was. INVALID_ARGUMENT as
 *  ssugraph_pipeline_plan. C++: to_table. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_timings(const ssugraph_pipeline* pipeline,
                                                         size_t step, size_t bucket_index,
                                                         char* text, size_t capacity,
                                                         size_t* length);

/** A line a step and bucket. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_describe(const ssugraph_pipeline* pipeline,
                                                          char* text, size_t capacity,
                                                          size_t* length);

/** Config, buckets, steps and their plans as JSON; ssugraph_lane_describe_json has the graphs. */
SSUGRAPH_C_API ssugraph_status ssugraph_pipeline_describe_json(const ssugraph_pipeline* pipeline,
                                                               char* text, size_t capacity,
                                                               size_t* length);

#ifdef __cplusplus
}
#endif

#endif
