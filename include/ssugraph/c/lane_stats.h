#ifndef SSUGRAPH_C_LANE_STATS_H
#define SSUGRAPH_C_LANE_STATS_H

/** @file
 *  What a lane did; C++: lane_stats.hpp. */

#include <stddef.h>
#include <stdint.h>

/** What a lane did so far; C++: lane_stats. Filled up to its struct_size, which the caller sets. */
typedef struct ssugraph_lane_stats {
  size_t struct_size;        /**< sizeof this struct, set by the caller */
  uint64_t replays;          /**< by ssugraph_lane_replay */
  uint64_t padded_sequences; /**< sum over them of bucket - batch */
  uint64_t moved_bytes;      /**< that their SSU steps must at least read and write */
  uint64_t lazy_builds;      /**< buckets that a first use recorded */
  uint64_t retries;          /**< recordings of a step repeated, for a capture was spoiled */
  uint64_t own_bytes;        /**< the lane's device memory, bytes: copies, seeds, scratch */
  uint64_t bucket_count;     /**< how many ssugraph_lane_get_bucket_stats tells of */
} ssugraph_lane_stats;

/** One bucket of a lane; C++: bucket_stats. Filled up to its struct_size, which the caller sets. */
typedef struct ssugraph_bucket_stats {
  size_t struct_size;       /**< sizeof this struct, set by the caller */
  uint64_t replays;         /**< by ssugraph_lane_replay */
  uint64_t moved_bytes;     /**< that their SSU steps must at least read and write */
  uint64_t nodes;           /**< of its graph */
  uint64_t estimated_bytes; /**< device memory of its executable, by its nodes */
  double build_ms;          /**< milliseconds of recording, instantiation and upload */
  int32_t bucket;           /**< sequences */
  int32_t recorded;         /**< 0 or 1: there is an executable graph */
} ssugraph_bucket_stats;

#endif
