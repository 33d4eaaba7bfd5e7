#include "graphs/layout/ring_plans.hpp"

#include <algorithm>

namespace ssugraph::detail {
namespace {

/** What the cursor of a step is of; null: it has none. */
const ring_rule* cursor_rule_of(const step_traits& step) {
  return step.ring && step.ring->cursor.data != nullptr ? &*step.ring : nullptr;
}

}  // namespace

std::size_t ring_plans::most_bytes(const pipeline_core& core) {
  const auto plans =
      static_cast<std::size_t>(std::ranges::count_if(core.steps, [](const auto& step) {
        return step.library() != nullptr &&
               cursor_rule_of(step.library()->checked->traits()) != nullptr;
      }));
  const auto rows = static_cast<std::size_t>(core.buckets.max_batch());
  return plans * arena_cursor::aligned(rows * sizeof(ring_plan_row)) +
         arena_cursor::aligned(plans * sizeof(ring_job));
}

ring_plans::ring_plans(const pipeline_core& core, const bound_steps& steps)
    : max_batch_{core.buckets.max_batch()}, places_(steps.size(), -1) {
  for (std::size_t step = 0; step < steps.size(); ++step) {
    const ring_rule* const rule = steps[step] ? cursor_rule_of(steps[step]->traits()) : nullptr;
    if (rule == nullptr) continue;
    const ring_job job{
        .ring = *rule, .sequences = steps[step]->traits().sequences, .plan = nullptr};
    const auto found =
        std::ranges::find_if(jobs_, [&](const ring_job& other) { return job.same_plan(other); });
    places_[step] = static_cast<std::int32_t>(found - jobs_.begin());
    if (found == jobs_.end()) jobs_.push_back(job);
  }
}

void ring_plans::place_plans(arena_cursor& memory) {
  for (ring_job& job : jobs_)
    job.plan = memory.take<ring_plan_row>(static_cast<std::size_t>(max_batch_));
}

const ring_plan_row* ring_plans::of(std::size_t step) const {
  const std::int32_t job = places_[step];
  return job < 0 ? nullptr : jobs_[static_cast<std::size_t>(job)].plan;
}

}  // namespace ssugraph::detail
