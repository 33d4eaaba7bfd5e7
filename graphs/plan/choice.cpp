#include "graphs/plan/choice.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

const candidate_timing& fastest(const timing_table& table) {
  return *std::ranges::min_element(table, {}, &candidate_timing::median_us);
}

/** The candidate with the least time over all buckets, each relative to that bucket's fastest. */
std::size_t best_for_all(std::span<const timing_table> tables) {
  std::vector<double> totals(tables.front().size(), 0.0);
  for (const timing_table& table : tables) {
    for (std::size_t i = 0; i < table.size(); ++i)
      totals[i] += table[i].median_us / fastest(table).median_us;
  }
  return static_cast<std::size_t>(std::ranges::min_element(totals) - totals.begin());
}

std::string slower_than(double median_us, double best_us) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f%% slower", 100.0 * (median_us / best_us - 1.0));
  return text;
}

/** `table` with verdicts, the fastest first. */
timing_table judged(timing_table table, std::size_t chosen, bool for_all_buckets) {
  const double best = fastest(table).median_us;
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i].verdict = i != chosen       ? slower_than(table[i].median_us, best)
                       : for_all_buckets ? "chosen for all buckets"
                                         : "chosen";
  }
  std::ranges::stable_sort(table, {}, &candidate_timing::median_us);
  return table;
}

/** A plan of a bucket that nothing was measured for. */
std::shared_ptr<planned_step> inherited(const checked_step& step, const planned_step& front,
                                        std::int32_t bucket, std::int32_t measured_bucket) {
  const plan_choice choice = front.choice();
  auto planned = step.plan(bucket, choice);
  planned->set_timings(
      {{choice.backend, choice.algorithm, 0.0, 0.0,
        "as bucket " + std::to_string(measured_bucket) + ", the largest that fits the scratch"}});
  return planned;
}

}  // namespace

bucket_plans choose(const checked_step& step, const bucket_policy& buckets,
                    std::span<const timing_table> tables, bool batch_invariant) {
  const std::size_t for_all = best_for_all(tables);
  bucket_plans plans;
  for (const std::int32_t bucket : buckets.buckets()) {
    const std::size_t i = plans.size();
    if (i >= tables.size()) {
      plans.push_back(inherited(step, *plans.back(), bucket, buckets.buckets()[tables.size() - 1]));
      continue;
    }
    const timing_table& table = tables[i];
    const auto best = static_cast<std::size_t>(&fastest(table) - table.data());
    const std::size_t chosen = batch_invariant ? for_all : best;
    plans.push_back(step.plan(bucket, {table[chosen].backend, table[chosen].algorithm}));
    plans.back()->set_timings(judged(table, chosen, batch_invariant));
  }
  return plans;
}

}  // namespace ssugraph::detail
