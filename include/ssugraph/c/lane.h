#ifndef SSUGRAPH_C_LANE_H
#define SSUGRAPH_C_LANE_H

/** @file
 *  What replays a pipeline; C++: lane.hpp. */

#include <ssugraph/c/binding.h>
#include <ssugraph/c/buckets.h>
#include <ssugraph/c/export.h>
#include <ssugraph/c/lane_stats.h>
#include <ssugraph/c/random.h>
#include <ssugraph/c/status.h>
#include <ssugraph/c/stream.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** C++: lane. */
typedef struct ssugraph_lane ssugraph_lane;

/** What a rebind did to the graph of one bucket; C++: rebind_outcome. */
typedef enum ssugraph_rebind_outcome {
  SSUGRAPH_REBIND_UPDATED = 0,      /**< the executable took the new addresses */
  SSUGRAPH_REBIND_INSTANTIATED = 1, /**< recorded and instantiated anew: the update was refused */
  SSUGRAPH_REBIND_UNRECORDED = 2    /**< there is none: its first use or a rebuild records it */
} ssugraph_rebind_outcome;

/** Frees the lane's memory after its last replay, without waiting; C++: ~lane. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_destroy(ssugraph_lane* lane);

/**
 * Launches the smallest bucket that holds `batch` live sequences; 0 does nothing. Stream-ordered;
 * at most one node update and one graph launch. Not while the stream is captured: see
 * ssugraph_lane_record. INVALID_ARGUMENT (the batch; a broken promise in checked mode) and
 * INVALID_STATE (another stream, or it is being captured; another thread; a bucket lost to a failed
 * rebind) before anything was enqueued; CUDA_ERROR. Host target: runs before it returns, and custom
 * steps may fail.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_replay(ssugraph_lane* lane, int32_t batch,
                                                    ssugraph_stream stream);

/** The oracle of ssugraph_lane_replay: the same launches without a graph. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_run_eager(ssugraph_lane* lane, int32_t batch,
                                                       ssugraph_stream stream);

/** Records the prologue of `bucket` into the caller's capture of `stream`. `live`: a device int32,
 *  the batch whenever that graph runs. C++: lane::record_prologue, with all that it throws. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record_prologue(ssugraph_lane* lane, int32_t bucket,
                                                             const int32_t* live,
                                                             ssugraph_stream stream);

/** Records step `step` where the capture of `stream` stands; C++: lane::record_step. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record_step(ssugraph_lane* lane, size_t step,
                                                         ssugraph_stream stream);

/** The prologue and every step in order. Where it fails, a part may be recorded: end the capture
 *  and drop its graph. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record(ssugraph_lane* lane, int32_t bucket,
                                                    const int32_t* live, ssugraph_stream stream);

/** ssugraph_lane_record_step with addresses of row tensors of this step, for this recording alone;
 *  C++: lane::record_step with bindings. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record_step_bound(ssugraph_lane* lane, size_t step,
                                                               const ssugraph_binding* bindings,
                                                               size_t binding_count,
                                                               ssugraph_stream stream);

/** ssugraph_lane_record with addresses of row tensors of its steps, for this recording alone. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_record_bound(ssugraph_lane* lane, int32_t bucket,
                                                          const int32_t* live,
                                                          const ssugraph_binding* bindings,
                                                          size_t binding_count,
                                                          ssugraph_stream stream);

/** Adds the whole graph of `bucket` to `graph` as one child graph node behind `predecessors`. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_add_child_graph(
    ssugraph_lane* lane, ssugraph_graph graph, const ssugraph_graph_node* predecessors,
    size_t predecessor_count, int32_t bucket, const int32_t* live, ssugraph_graph_node* node);

/** Gives bound tensors other addresses for replays to come, whatever `capacity` is; C++:
 *  lane::rebind. `outcomes`: an ssugraph_rebind_outcome for each bucket of
 *  ssugraph_pipeline_buckets, whose number `*count` is. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_rebind(ssugraph_lane* lane,
                                                    const ssugraph_binding* bindings,
                                                    size_t binding_count, int32_t* outcomes,
                                                    size_t capacity, size_t* count);

/** Records the bucket of `batch` again. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_rebuild(ssugraph_lane* lane, int32_t batch);

/** Waits for the stream, then reads the random state. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_random_state(ssugraph_lane* lane,
                                                          ssugraph_random_state* state);

/** For replays enqueued later, in stream order. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_set_random_state(ssugraph_lane* lane,
                                                              ssugraph_random_state state,
                                                              ssugraph_stream stream);

/** Hands the lane to another stream of its device, which waits for what is in flight here. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_move_to(ssugraph_lane* lane, ssugraph_stream stream);

/** The one that the lane belongs to. INVALID_STATE (another thread is inside). */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_stream(const ssugraph_lane* lane,
                                                    ssugraph_stream* stream);

/** What all buckets did. INVALID_ARGUMENT: a struct_size that no struct has; INVALID_STATE (another
 *  thread is inside). */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_get_stats(const ssugraph_lane* lane,
                                                       ssugraph_lane_stats* stats);

/** Of bucket number `bucket_index`, ascending. INVALID_ARGUMENT out of range. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_get_bucket_stats(const ssugraph_lane* lane,
                                                              size_t bucket_index,
                                                              ssugraph_bucket_stats* stats);

/** How often replays served each batch: entry b counts batch b, up to the largest bucket. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_batch_histogram(const ssugraph_lane* lane,
                                                             uint64_t* histogram, size_t capacity,
                                                             size_t* count);

/** The pipeline's JSON and the graphs that were recorded; no address, no time. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_describe_json(const ssugraph_lane* lane, char* text,
                                                           size_t capacity, size_t* length);

/** The graph of `bucket` in the language of Graphviz. INVALID_STATE if there is none. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_dot(const ssugraph_lane* lane, int32_t bucket,
                                                 char* text, size_t capacity, size_t* length);

/** Replays every bucket full and takes the median of `rounds`, whatever `capacity` is; C++:
 *  lane::time_buckets. `*count` is that of ssugraph_pipeline_buckets. Changes what the bound
 *  tensors hold; waits for the stream. */
SSUGRAPH_C_API ssugraph_status ssugraph_lane_time_buckets(ssugraph_lane* lane, int32_t rounds,
                                                          ssugraph_bucket_time* times,
                                                          size_t capacity, size_t* count,
                                                          ssugraph_stream stream);

#ifdef __cplusplus
}
#endif

#endif
