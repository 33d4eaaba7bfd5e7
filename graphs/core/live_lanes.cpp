#include "graphs/core/live_lanes.hpp"

#include "lib/core/overlap.hpp"

#include <ssugraph/error.hpp>

#include <utility>

namespace ssugraph::detail {
namespace {

void check_disjoint(const std::vector<lane_tensor>& mine, const std::vector<lane_tensor>& theirs) {
  for (const lane_tensor& a : mine) {
    for (const lane_tensor& b : theirs) {
      if ((!a.written && !b.written) || !may_overlap(a.view, b.view)) continue;
      throw invalid_argument{a.name, "memory disjoint from lanes on other streams (see bindings)",
                             "overlap with " + b.name + " of one"};
    }
  }
}

}  // namespace

void live_lanes::enter(const void* lane, stream_handle stream, std::vector<lane_tensor> tensors,
                       const std::function<void()>& change) {
  const auto mine = add({lane, stream, std::move(tensors)});
  try {
    change();
  } catch (...) {
    erase(mine);
    throw;
  }
  erase_others(mine);
}

live_lanes::place live_lanes::add(entry mine) {
  const std::lock_guard lock{mutex_};
  for (const entry& other : entries_) {
    if (other.lane != mine.lane && other.stream != mine.stream)
      check_disjoint(mine.tensors, other.tensors);
  }
  return entries_.insert(entries_.end(), std::move(mine));
}

void live_lanes::erase(place mine) noexcept {
  const std::lock_guard lock{mutex_};
  entries_.erase(mine);
}

void live_lanes::erase_others(place mine) noexcept {
  const std::lock_guard lock{mutex_};
  std::erase_if(entries_,
                [&](const entry& other) { return other.lane == mine->lane && &other != &*mine; });
}

void live_lanes::leave(const void* lane) noexcept {
  const std::lock_guard lock{mutex_};
  std::erase_if(entries_, [lane](const entry& other) { return other.lane == lane; });
}

}  // namespace ssugraph::detail
