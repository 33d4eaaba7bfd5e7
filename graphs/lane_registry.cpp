#include "graphs/lane_registry.hpp"

#include "lib/core/overlap.hpp"

#include <ssugraph/error.hpp>

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

void lane_registry::enter(const void* lane, stream_handle stream,
                          const std::vector<lane_tensor>& tensors,
                          const std::function<void()>& before_entry) {
  const std::lock_guard lock{mutex_};
  entry* mine = nullptr;
  for (entry& other : entries_) {
    if (other.lane == lane) {
      mine = &other;
    } else if (other.stream != stream) {
      check_disjoint(tensors, other.tensors);
    }
  }
  before_entry();
  if (mine == nullptr) {
    entries_.push_back({lane, stream, tensors});
  } else {
    mine->stream = stream;
    mine->tensors = tensors;
  }
}

void lane_registry::leave(const void* lane) noexcept {
  const std::lock_guard lock{mutex_};
  std::erase_if(entries_, [lane](const entry& other) { return other.lane == lane; });
}

}  // namespace ssugraph::detail
