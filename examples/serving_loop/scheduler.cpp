#include "scheduler.hpp"

#include "inputs.hpp"

#include <algorithm>

namespace serving_loop {

scheduler::scheduler(const trace& requests, schedule_options options)
    : requests_{&requests}, options_{options} {
  for (std::int32_t place = options.max_batch; place-- > 0;) {
    free_slots_.push_back(1 + place * options.slots);
  }
}

seconds scheduler::arrival(std::size_t request) const {
  return (*requests_)[request].arrival / options_.speedup;
}

std::span<const sequence> scheduler::begin_step() {
  if (running_.empty() && next_ < requests_->size()) now_ = std::max(now_, arrival(next_));

  started_ = 0;
  while (next_ < requests_->size() && arrival(next_) <= now_ && !free_slots_.empty()) {
    const request& admitted = (*requests_)[next_];
    running_.push_back({.request = static_cast<std::int32_t>(next_),
                        .first_slot = free_slots_.back(),
                        .position = admitted.context_tokens,
                        .accepted = 1,
                        .remaining = admitted.generated_tokens,
                        .generated = 0});
    free_slots_.pop_back();
    ++next_;
    ++started_;
  }
  return running_;
}

std::span<const sequence> scheduler::started() const {
  return std::span{running_}.last(started_);
}

void scheduler::end_step() {
  for (sequence& each : running_) {
    each.accepted = accepted_tokens(each.request, each.position, options_.tokens);
    const std::int32_t generated = std::min(each.accepted, each.remaining);
    each.position += generated;
    each.remaining -= generated;
    each.generated += generated;
    tokens_ += generated;
    if (each.remaining == 0) free_slots_.push_back(each.first_slot);
  }
  std::erase_if(running_, [](const sequence& each) { return each.remaining == 0; });
  now_ += options_.step_time;
}

std::size_t scheduler::queued() const {
  const auto waiting = std::span{*requests_}.subspan(next_);
  const auto arrived = std::ranges::partition_point(
      waiting, [&](const request& each) { return each.arrival / options_.speedup <= now_; });
  return static_cast<std::size_t>(arrived - waiting.begin());
}

}  // namespace serving_loop
