#pragma once

#include "graphs/plan/tuning_cache.hpp"
#include "lib/step/planned_step.hpp"

#include <ssugraph/bucket_policy.hpp>

#include <memory>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** The plans of a step, one per bucket. */
using bucket_plans = std::vector<std::shared_ptr<planned_step>>;

/**
 * One plan a bucket: the fastest of its table or, batch-invariant, the candidate with the least
 * time over all buckets, each taken relative to that bucket's fastest. There is at least one table;
 * all hold the same candidates in one order. Buckets past the last table take the plan in front.
 * Throws unsupported.
 */
[[nodiscard]] bucket_plans choose(const checked_step& step, const bucket_policy& buckets,
                                  std::span<const timing_table> tables, bool batch_invariant);

}  // namespace ssugraph::detail
