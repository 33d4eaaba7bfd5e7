#include "graphs/plan/bucket_planner.hpp"

#include "graphs/core/nvtx.hpp"
#if SSUGRAPH_CUDA
#include "graphs/plan/measure.hpp"
#include "graphs/record/capture.hpp"
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

namespace ssugraph::detail {

namespace {

/** The most that launches of the library's overlap. */
launch_manner manner_of(const pipeline_core& core) {
  launch_manner manner = launch_manner::in_turn;
  if (!core.programmatic_dependent_launch) return manner;
  for (std::size_t i = 1; i < core.steps.size(); ++i) {
    const pipeline_step& in_front = core.steps[i - 1];
    if (core.steps[i].library() == nullptr) continue;
    if (in_front.library() != nullptr) return launch_manner::back_to_back;
    if (in_front.custom()->options.writes) manner = launch_manner::overlapping;
  }
  return manner;
}

}  // namespace

bucket_planner::bucket_planner(const pipeline_core& core)
    : buckets_{core.buckets},
      place_{core.place},
      manner_{manner_of(core)},
      options_{core.tuning},
      row_budget_{core.row_budget} {}

bucket_plans bucket_planner::plans(const checked_step& step) {
  bucket_plans plans = options_.measure && step.is_measured() ? measured(step) : fixed(step);
  for (const auto& planned : plans)
    planned->load();
  return plans;
}

bucket_plans bucket_planner::fixed(const checked_step& step) const {
  const auto largest = step.plan(buckets_.max_batch());
  bucket_plans plans;
  for (const std::int32_t bucket : buckets_.buckets()) {
    plans.push_back(options_.batch_invariant ? step.plan(bucket, largest->choice())
                                             : step.plan(bucket));
  }
  return plans;
}

std::string plan_steps(pipeline_core& core) {
#if SSUGRAPH_CUDA
  // Users' backends are measured, too. On the host nothing may begin the use of CUDA.
  const kept_last_error kept{core.where == target::cuda ? core.last_error : callers_last_error{}};
#endif
  bucket_planner planner{core};
  for (pipeline_step& step : core.steps) {
    auto* const ours = std::get_if<library_step>(&step.what);
    if (ours == nullptr) continue;
    const bucket_plans plans = planner.plans(*ours->checked);
    ours->plans.assign(plans.begin(), plans.end());
  }
  return planner.summary();
}

std::string bucket_planner::summary() const {
  if (measurements_ == 0) return {};
  char text[64];
  std::snprintf(text, sizeof text, "; %zu candidates measured in %.0f ms", measurements_,
                milliseconds_);
  return text;
}

#if SSUGRAPH_CUDA

namespace {

/** Whether `table` times `candidates`; one edited by hand may not. */
bool times(const timing_table& table, const std::vector<plan_choice>& candidates) {
  return std::ranges::equal(table, candidates, [](const auto& timing, const auto& candidate) {
    return timing.backend == candidate.backend && timing.algorithm == candidate.algorithm;
  });
}

/** The plans of `step` that were measured for another one of the same problem. */
bucket_plans same_choices(const checked_step& step, const bucket_plans& known) {
  bucket_plans plans;
  for (const auto& other : known) {
    plans.push_back(step.plan(other->sequences(), other->choice()));
    plans.back()->set_timings(other->timings());
  }
  return plans;
}

}  // namespace

bucket_plans bucket_planner::measured(const checked_step& step) {
  const std::vector<plan_choice> candidates = step.candidates(buckets_.max_batch());
  const std::string key = tuning_key(step, manner_, row_budget_, candidates);
  if (const auto found = known_.find(key); found != known_.end())
    return same_choices(step, found->second);

  const auto start = std::chrono::steady_clock::now();
  if (!cache_) cache_.emplace(options_.cache_file, machine_of(step.traits().device));
  std::optional<measuring_bench> bench;
  // A bucket that does not fit the scratch, as all larger ones do not, has no table.
  std::vector<timing_table> tables;
  for (const std::int32_t bucket : buckets_.buckets()) {
    timing_table table = cache_->find(key, bucket);
    if (!times(table, candidates)) {
      if (!bench) bench.emplace(step, place_, manner_, options_.scratch_fraction);
      if (!bench->fits(bucket)) break;
      const nvtx_range range{nvtx_category::tune, nvtx_name{"tune " + std::to_string(bucket)},
                             bucket};
      table = bench->measure(candidates, bucket);
      measurements_ += table.size();
      cache_->keep(key, bucket, table);
    }
    tables.push_back(std::move(table));
  }
  cache_->save();
  milliseconds_ +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (tables.empty()) return fixed(step);
  return known_[key] = choose(step, buckets_, tables, options_.batch_invariant);
}

#else

bucket_plans bucket_planner::measured(const checked_step& step) {
  return fixed(step);
}

#endif

}  // namespace ssugraph::detail
