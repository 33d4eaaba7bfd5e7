#include "lib/core/overlap.hpp"

#include "lib/core/reach.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <vector>

namespace ssugraph::detail {
namespace {

struct strided_axis {
  std::int64_t stride;  ///< without its sign
  std::int64_t extent;
};

/** Those of more than one entry, by ascending stride. */
std::vector<strided_axis> ascending_axes(const tensor_view& tensor) {
  std::vector<strided_axis> axes;
  for (int i = 0; i < tensor.rank(); ++i) {
    if (tensor.extent(i) > 1) axes.push_back({std::abs(tensor.stride(i)), tensor.extent(i)});
  }
  std::ranges::sort(axes, {}, &strided_axis::stride);
  return axes;
}

/** What a tensor touches: runs of bytes, with others between them along axes that step over all
 *  that the ones before them span. */
struct byte_runs {
  std::int64_t bytes;
  std::vector<strided_axis> apart;  ///< strides in bytes, ascending
};

byte_runs runs_of(const tensor_view& tensor) {
  const std::int64_t size = size_of(tensor.dtype());
  byte_runs runs{size, {}};
  std::int64_t span = size;
  for (const auto& [stride, extent] : ascending_axes(tensor)) {
    const std::int64_t step = stride * size;
    const bool joins = step < span || (step == span && runs.apart.empty());
    span += (extent - 1) * step;
    if (joins) {
      runs = {span, {}};
    } else {
      runs.apart.push_back({step, extent});
    }
  }
  return runs;
}

std::int64_t address_of(const byte_range& range) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(range.data));
}

/** Two slices of rows `pitch` bytes apart: do they meet within the row, whichever rows they are? */
bool meet_in_row(const byte_range& a, const byte_range& b, std::int64_t pitch) {
  const auto a_bytes = static_cast<std::int64_t>(a.bytes);
  const auto b_bytes = static_cast<std::int64_t>(b.bytes);
  if (a_bytes > pitch || b_bytes > pitch) return true;
  const std::int64_t distance = ((address_of(b) - address_of(a)) % pitch + pitch) % pitch;
  return distance < a_bytes || distance + b_bytes > pitch;
}

/** Bytes from row to row of both; 0: they have none in common. One row fits any. */
std::int64_t common_pitch(const tensor_view& a, const tensor_view& b) {
  const auto pitch = [](const tensor_view& tensor) {
    return tensor.stride(0) * size_of(tensor.dtype());
  };
  if (a.extent(0) == 1) return b.extent(0) == 1 ? 0 : pitch(b);
  return b.extent(0) == 1 || pitch(a) == pitch(b) ? pitch(a) : 0;
}

/** The first row of `tensor`, moved by so many bytes. */
tensor_view first_row(const tensor_view& tensor, std::int64_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.data()) + bytes;
  const auto* const data = reinterpret_cast<const void*>(address);
  if (tensor.rank() == 1) return tensor.at(data).with_extent(0, 1);
  return {data, tensor.dtype(), tensor.extents().subspan(1), tensor.strides().subspan(1)};
}

/** Of rows `pitch` bytes apart, those of `inner` each within the pitch that a row of `outer`
 * begins: does a row meet the one beside it? True where rows do not lie so. */
bool meet_side_by_side(const tensor_view& outer, const tensor_view& inner, std::int64_t pitch) {
  const byte_range row = reach_of(outer, 1);
  const byte_range other = reach_of(inner, 1);
  const std::int64_t apart = address_of(other) - address_of(row);
  const std::int64_t distance = (apart % pitch + pitch) % pitch;
  if (static_cast<std::int64_t>(row.bytes) > pitch ||
      distance + static_cast<std::int64_t>(other.bytes) > pitch)
    return true;
  return may_overlap(first_row(outer, 0), first_row(inner, distance - apart));
}

}  // namespace

bool may_overlap(const tensor_view& a, const tensor_view& b) noexcept {
  if (!may_overlap(reach_of(a), reach_of(b))) return false;
  const std::int64_t pitch = common_pitch(a, b);
  if (pitch <= 0) return true;
  if (!meet_in_row(reach_of(a, 1), reach_of(b, 1), pitch)) return false;
  if (a.rank() == 1 && b.rank() == 1) return true;
  return meet_side_by_side(a, b, pitch) && meet_side_by_side(b, a, pitch);
}

bool may_overlap(const byte_range& a, const byte_range& b) noexcept {
  const auto begin = [](const byte_range& range) {
    return reinterpret_cast<std::uintptr_t>(range.data);
  };
  return a.bytes != 0 && b.bytes != 0 && begin(a) < begin(b) + b.bytes &&
         begin(b) < begin(a) + a.bytes;
}

std::string describe_overlap(const tensor_view& a, const tensor_view& b,
                             std::string_view name_of_b) {
  const std::string name{name_of_b};
  if (next_byte_of(a, b.data()) == b.data() || next_byte_of(b, a.data()) == a.data())
    return "overlap with " + name;
  return "spans that interleave with those of " + name +
         ": known to be disjoint are only slices of the rows of one buffer (equal outer stride, "
         "disjoint within the row, on further axes alike)";
}

const std::byte* next_byte_of(const tensor_view& tensor, const void* from) {
  const auto [data, bytes] = reach_of(tensor);
  const auto* const first = static_cast<const std::byte*>(data);
  if (bytes == 0) return nullptr;
  if (std::less_equal{}(from, data)) return first;
  const byte_runs runs = runs_of(tensor);
  std::int64_t rest = static_cast<const std::byte*>(from) - first;
  std::int64_t begin = 0;  // of the run at `from` or in front of it
  std::int64_t next = -1;  // of the run behind that
  for (std::size_t i = runs.apart.size(); i-- > 0;) {
    const auto& [stride, extent] = runs.apart[i];
    const std::int64_t index = std::min(rest / stride, extent - 1);
    if (index + 1 < extent) next = begin + (index + 1) * stride;
    begin += index * stride;
    rest -= index * stride;
  }
  if (rest < runs.bytes) return first + begin + rest;
  return next < 0 ? nullptr : first + next;
}

bool overlaps_itself(const tensor_view& tensor) {
  std::int64_t reach = 0;
  for (const auto& [stride, extent] : ascending_axes(tensor)) {
    if (stride <= reach) return true;
    reach += (extent - 1) * stride;
  }
  return false;
}

}  // namespace ssugraph::detail
