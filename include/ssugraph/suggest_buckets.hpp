#pragma once

/** @file
 *  Buckets that suit what was seen. */

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/export.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ssugraph {

/** What one replay of a bucket takes. */
struct bucket_time {
  std::int32_t bucket = 0;    ///< sequences
  double microseconds = 0.0;  ///< of one replay

  bool operator==(const bucket_time&) const = default;
};

/**
 * The policy of at most `max_graphs` buckets under which replays like those seen take least time:
 * the least sum over batches b of histogram[b] * time(bucket_for(b)), and the fewest buckets that
 * reach it. `histogram` is that of `lane::batch_histogram`: entry b counts the replays of batch b,
 * entry 0 plays no part, and the last entry is the largest bucket, whether it was seen or not.
 *
 * time() joins the points of `times` (of `lane::time_buckets`, in any order) by straight lines and
 * goes on along the last of them. Below the first point it goes on too, for a replay costs so much
 * a sequence and so much a launch, but not to less than the line through the origin; with one point
 * alone it is that line, so that padded sequences are what is minimised. A bucket that was measured
 * faster than a smaller one counts as slow as that.
 *
 * Takes O(max_graphs * n^2) for n different batches seen. Throws invalid_argument: `max_graphs` 0;
 * a `histogram` without an entry for batch 1 or for more than 2^20; `times` empty, or with a bucket
 * below 1, a bucket twice, or a time that is not positive and finite.
 */
[[nodiscard]] SSUGRAPH_EXPORT bucket_policy
suggest_buckets(std::span<const std::uint64_t> histogram, std::size_t max_graphs,
                std::span<const bucket_time> times);

}  // namespace ssugraph
