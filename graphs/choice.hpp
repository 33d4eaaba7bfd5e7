#pragma once

#include "graphs/tuning_cache.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** The backend and algorithm of `other`, for `sequences` sequences of `problem`. Throws
 *  unsupported. */
[[nodiscard]] ssu_plan same_choice(const ssu_plan& other, const ssu_problem& problem,
                                   std::int64_t sequences);

/**
 * One plan a bucket: the fastest of its table or, batch-invariant, the candidate with the least
 * time over all buckets, each taken relative to that bucket's fastest. There is at least one table;
 * all hold the same candidates in one order. Buckets past the last table take the plan in front.
 */
[[nodiscard]] std::vector<ssu_plan> choose(const ssu_problem& problem, const bucket_policy& buckets,
                                           std::span<const timing_table> tables,
                                           bool batch_invariant);

}  // namespace ssugraph::detail
