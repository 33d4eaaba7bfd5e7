#include "graphs/bucket_planner.hpp"

#include "graphs/choice.hpp"
#include "graphs/nvtx.hpp"
#include "graphs/tuning_cache.hpp"
#if SSUGRAPH_CUDA
#include "graphs/measure.hpp"
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

namespace ssugraph::detail {

bucket_planner::bucket_planner(const mamba_ssu_backend& backend, std::string algorithm,
                               const bucket_policy& buckets, bool back_to_back,
                               const tuning_options& options)
    : backend_{backend},
      algorithm_{std::move(algorithm)},
      buckets_{buckets},
      back_to_back_{back_to_back},
      options_{options} {}

std::vector<ssu_plan> bucket_planner::plans(const ssu_args& args, const ssu_problem& problem) {
  const bool measure =
      options_.measure && backend_.name() == automatic && !problem.device.is_host();
  return measure ? measured(args, problem) : fixed(problem);
}

std::vector<ssu_plan> bucket_planner::fixed(const ssu_problem& problem) const {
  const ssu_plan largest = resolve(backend_, problem, buckets_.max_batch(), algorithm_);
  std::vector<ssu_plan> plans;
  for (const std::int32_t bucket : buckets_.buckets()) {
    plans.push_back(options_.batch_invariant ? same_choice(largest, problem, bucket)
                                             : resolve(backend_, problem, bucket, algorithm_));
  }
  return plans;
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

/** What sets apart problems whose measurements may differ: all but alignment and strides beyond
 *  what the candidates tell. */
std::string tuning_key(const ssu_problem& problem, bool back_to_back,
                       const std::vector<ssu_plan>& candidates) {
  std::string key = to_string(problem) + (back_to_back ? " back to back |" : " |");
  for (const ssu_plan& candidate : candidates)
    key += " " + candidate.backend + ":" + candidate.algorithm;
  return key;
}

/** Whether `table` times `candidates`; one edited by hand may not. */
bool times(const timing_table& table, const std::vector<ssu_plan>& candidates) {
  return std::ranges::equal(table, candidates, [](const auto& timing, const auto& candidate) {
    return timing.backend == candidate.backend && timing.algorithm == candidate.algorithm;
  });
}

}  // namespace

std::vector<ssu_plan> bucket_planner::measured(const ssu_args& args, const ssu_problem& problem) {
  const std::vector<ssu_plan> candidates = backend_.candidates(problem, buckets_.max_batch());
  const std::string key = tuning_key(problem, back_to_back_, candidates);
  if (const auto found = known_.find(key); found != known_.end()) {
    std::vector<ssu_plan> plans;
    for (const ssu_plan& known : found->second) {
      plans.push_back(same_choice(known, problem, known.sequences));
      plans.back().timings = known.timings;
    }
    return plans;
  }

  const auto start = std::chrono::steady_clock::now();
  tuning_cache cache{options_.cache_file, machine_of(problem.device)};
  std::optional<measuring_bench> bench;
  // A bucket that does not fit the scratch, as all larger ones do not, has no table.
  std::vector<timing_table> tables;
  for (const std::int32_t bucket : buckets_.buckets()) {
    timing_table table = cache.find(key, bucket);
    if (!times(table, candidates)) {
      if (!bench) bench.emplace(args, problem, back_to_back_, options_.scratch_fraction);
      if (!bench->fits(bucket)) break;
      const nvtx_range range{nvtx_category::tune, nvtx_name{"tune " + std::to_string(bucket)},
                             bucket};
      table = bench->measure(candidates, bucket);
      measurements_ += table.size();
      cache.keep(key, bucket, table);
    }
    tables.push_back(std::move(table));
  }
  cache.save();
  milliseconds_ +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (tables.empty()) return fixed(problem);
  return known_[key] = choose(problem, buckets_, tables, options_.batch_invariant);
}

#else

std::vector<ssu_plan> bucket_planner::measured(const ssu_args&, const ssu_problem& problem) {
  return fixed(problem);
}

#endif

}  // namespace ssugraph::detail
