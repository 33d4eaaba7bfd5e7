#ifndef SSUGRAPH_C_BUCKETS_H
#define SSUGRAPH_C_BUCKETS_H

/** @file
 *  Which batches get a graph; C++: bucket_policy.hpp, suggest_buckets.hpp. */

#include <ssugraph/c/export.h>
#include <ssugraph/c/status.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What one replay of a bucket takes. Never grows. */
typedef struct ssugraph_bucket_time {
  int32_t bucket;      /**< sequences */
  double microseconds; /**< the median of the rounds */
} ssugraph_bucket_time;

/** 1, 2, 4, ... and `max_batch`. INVALID_ARGUMENT unless 1 <= max_batch <= 2^20. */
SSUGRAPH_C_API ssugraph_status ssugraph_buckets_powers_of_two(int32_t max_batch, int32_t* buckets,
                                                              size_t capacity, size_t* count);

/** 1, 2, 4, then 8 to 128 by 8, then by 64, and `max_batch`. As above. */
SSUGRAPH_C_API ssugraph_status ssugraph_buckets_serving(int32_t max_batch, int32_t* buckets,
                                                        size_t capacity, size_t* count);

/**
 * The at most `max_graphs` buckets under which replays like those seen take least time; C++:
 * suggest_buckets. `histogram`: what ssugraph_lane_batch_histogram gave, `batch_count` entries.
 */
SSUGRAPH_C_API ssugraph_status ssugraph_suggest_buckets(const uint64_t* histogram,
                                                        size_t batch_count, size_t max_graphs,
                                                        const ssugraph_bucket_time* times,
                                                        size_t time_count, int32_t* buckets,
                                                        size_t capacity, size_t* count);

#ifdef __cplusplus
}
#endif

#endif
