#include "graphs/core/pipeline_core.hpp"
#include "graphs/lane/lane_engine.hpp"
#include "graphs/layout/footprint.hpp"
#include "graphs/record/describe.hpp"
#if SSUGRAPH_CUDA
#include "graphs/plan/partition.hpp"
#endif
#include "lib/ops/ssu/ssu_step.hpp"

#include <ssugraph/binding.hpp>
#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/stream.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace ssugraph {

pipeline::pipeline(std::shared_ptr<const detail::pipeline_core> core) noexcept
    : core_{std::move(core)} {}

lane pipeline::make_lane(stream_handle stream, std::span<const binding> bindings) const {
  const detail::nvtx_range range{detail::nvtx_category::build, detail::nvtx_name{"make_lane"},
                                 static_cast<std::int64_t>(core_->buckets.buckets().size())};
#if SSUGRAPH_CUDA
  if (core_->where == target::cuda) {
    auto core = detail::planned_for(core_, stream);
    detail::bound_steps steps = detail::bind(*core, detail::built_steps(*core), bindings);
    return lane{detail::make_cuda_lane(std::move(core), stream, std::move(steps))};
  }
#endif
  detail::bound_steps steps = detail::bind(*core_, detail::built_steps(*core_), bindings);
  return lane{detail::make_host_lane(core_, stream, std::move(steps))};
}

std::size_t pipeline::step_count() const noexcept {
  return core_->steps.size();
}

const bucket_policy& pipeline::buckets() const noexcept {
  return core_->buckets;
}

target pipeline::where() const noexcept {
  return core_->where;
}

std::size_t pipeline::step_index(std::string_view name) const {
  const auto found = std::ranges::find(core_->steps, name, &detail::pipeline_step::name);
  if (found != core_->steps.end()) return static_cast<std::size_t>(found - core_->steps.begin());
  throw invalid_argument{"name", "the name of a step", "'" + std::string{name} + "'"};
}

const ssu_plan& pipeline::plan(std::size_t step, std::size_t bucket_index) const {
  const std::size_t buckets = core_->buckets.buckets().size();
  if (step >= step_count()) {
    throw invalid_argument{"step", "below " + std::to_string(step_count()), std::to_string(step)};
  }
  if (bucket_index >= buckets) {
    throw invalid_argument{"bucket_index", "below " + std::to_string(buckets),
                           std::to_string(bucket_index)};
  }
  const detail::library_step* ours = core_->steps[step].library();
  const ssu_plan* plan =
      ours != nullptr ? detail::ssu_plan_of(*ours->plans[bucket_index]) : nullptr;
  if (plan != nullptr) return *plan;
  throw invalid_argument{"step", "an SSU step", "step '" + core_->steps[step].name + "'"};
}

std::int64_t pipeline::seeds_per_replay() const noexcept {
  return core_->seed_count;
}

std::size_t pipeline::lane_bytes() const {
  return detail::lane_bytes(*core_);
}

std::string pipeline::describe() const {
  return detail::to_text(*core_);
}

std::string pipeline::describe_json() const {
  return detail::to_json(*core_);
}

}  // namespace ssugraph
