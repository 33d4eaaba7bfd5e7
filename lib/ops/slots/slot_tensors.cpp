#include "lib/ops/slots/slot_tensors.hpp"

#include "lib/core/alignment.hpp"
#include "lib/core/device.hpp"
#include "lib/core/overlap.hpp"
#include "lib/core/reach.hpp"
#include "lib/step/planned_step.hpp"

#include <ssugraph/byte_range.hpp>
#include <ssugraph/error.hpp>

#include <algorithm>
#include <limits>

namespace ssugraph::detail {
namespace {

constexpr std::int64_t most_entries = std::numeric_limits<std::int32_t>::max();

std::string of_layer(const char* list, std::size_t layer) {
  return list + ("[" + std::to_string(layer) + "]");
}

[[noreturn]] void refuse_overlap(const slot_tensor& written, const slot_tensor& other) {
  throw invalid_argument{written.name, "no byte shared with " + other.name,
                         describe_overlap(written.view, other.view, other.name)};
}

struct reached_tensor {
  const slot_tensor* tensor;
  std::uintptr_t begin;
  std::uintptr_t end;
};

/** By where they begin, so that what spans common bytes follows one another. */
std::vector<reached_tensor> by_address(std::span<const slot_tensor> tensors) {
  std::vector<reached_tensor> sorted;
  sorted.reserve(tensors.size());
  for (const slot_tensor& each : tensors) {
    const byte_range range = reach_of(each.view);
    const auto begin = reinterpret_cast<std::uintptr_t>(range.data);
    sorted.push_back({&each, begin, begin + range.bytes});
  }
  std::ranges::sort(sorted, {}, &reached_tensor::begin);
  return sorted;
}

}  // namespace

void check_slots(const slot_list& slots) {
  const tensor_view& indices = slots.indices;
  check_reach("slots", indices);
  const bool integral = indices.dtype() == dtype::int32 || indices.dtype() == dtype::int64;
  if (indices.rank() != 1 || !integral) {
    throw invalid_argument{"slots", "int32 or int64 of shape (n)", to_string(indices)};
  }
  if (indices.size() > most_entries)
    throw invalid_argument{"slots", "at most 2^31 - 1 of them", to_string(indices)};
  if (indices.size() > 0) check_address("slots", indices);
}

void check_positions(const tensor_view& positions, const slot_list& slots) {
  check_reach("positions", positions);
  const std::int64_t count = slots.indices.extent(0);
  const bool integral = positions.dtype() == dtype::int32 || positions.dtype() == dtype::int64;
  if (positions.rank() == 1 && integral && positions.extent(0) == count) return;
  throw invalid_argument{"positions",
                         "int32 or int64 of shape (n) = (" + std::to_string(count) + "), as slots",
                         positions ? to_string(positions) : "nothing"};
}

slot_entries entries_of(const slot_list& slots, const tensor_view& positions) {
  return {.slots = index_of(slots.indices),
          .positions = index_of(positions),
          .null_block_id = slots.null_block_id};
}

tensor_view canonical(const std::string& name, const tensor_view& given, int rank) {
  if (given.rank() != rank && given.rank() != rank - 1) {
    throw invalid_argument{name, "rank " + std::to_string(rank - 1) + " or " + std::to_string(rank),
                           given ? to_string(given) : "nothing"};
  }
  check_reach(name, given);
  if (std::ranges::max(given.extents().subspan(1)) > most_entries)
    throw invalid_argument{name, "at most 2^31 - 1 entries on each axis of a slot",
                           to_string(given)};
  const tensor_view reached = with_strides_in_reach(given);
  return reached.rank() == rank ? reached : reached.with_unit_axis(1);
}

std::string name_of_cache(std::size_t layer, const char* member) {
  return of_layer("caches", layer) + "." + member;
}
std::string name_of_dense(std::size_t layer) {
  return of_layer("states", layer);
}

void check_memory(std::span<const slot_tensor> tensors, device home) {
  for (const slot_tensor& each : tensors) {
    if (each.view.size() == 0) continue;
    check_address(each.name, each.view);
    const device where = device_of(each.view.data());
    if (where == home) continue;
    throw invalid_argument{each.name, describe_memory(home) + " as slots", describe_memory(where)};
  }
}

void check_written(std::span<const slot_tensor> tensors) {
  for (const slot_tensor& each : tensors) {
    if (!each.is_written || !overlaps_itself(each.view)) continue;
    throw invalid_argument{each.name, "no element on top of another, for it is written",
                           to_string(each.view)};
  }
  const std::vector<reached_tensor> sorted = by_address(tensors);
  for (auto a = sorted.begin(); a != sorted.end(); ++a) {
    for (auto b = a + 1; b != sorted.end() && b->begin < a->end; ++b) {
      const slot_tensor& first = *std::min(a->tensor, b->tensor);
      const slot_tensor& second = *std::max(a->tensor, b->tensor);
      if (!first.is_written && !second.is_written) continue;
      if (!may_overlap(first.view, second.view)) continue;
      // Of two that are written, the later one is named.
      second.is_written ? refuse_overlap(second, first) : refuse_overlap(first, second);
    }
  }
}

}  // namespace ssugraph::detail
