#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/plan/choice.hpp"
#include "graphs/plan/tuning_cache.hpp"
#include "graphs/plan/tuning_key.hpp"
#include "lib/step/planned_step.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/tuning.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace ssugraph::detail {

/** Plans steps for every bucket. Those that share a problem share the choice. */
class bucket_planner {
 public:
  /** Measures as the pipeline launches. */
  explicit bucket_planner(const pipeline_core& core);

  /** One plan a bucket, loaded. Measures if the step asks for it and the options allow it. Throws
   *  unsupported and cuda_error. */
  [[nodiscard]] bucket_plans plans(const checked_step& step);

  /** For the log: what was measured; empty if nothing was. */
  [[nodiscard]] std::string summary() const;

 private:
  [[nodiscard]] bucket_plans fixed(const checked_step& step) const;
  [[nodiscard]] bucket_plans measured(const checked_step& step);

  const bucket_policy& buckets_;
  const stream_place& place_;
  launch_manner manner_;
  const tuning_options& options_;
  std::int64_t row_budget_;
  /** By problem and candidates: the plans of a step measured earlier. */
  std::map<std::string, bucket_plans> known_;
  std::optional<tuning_cache> cache_;  ///< from the first measured step on
  std::size_t measurements_ = 0;
  double milliseconds_ = 0.0;
};

/** Plans every library step of `core` for every bucket. What was measured, for the log. Throws
 *  unsupported and cuda_error. */
std::string plan_steps(pipeline_core& core);

}  // namespace ssugraph::detail
