#include "lib/core/overlap.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace ssugraph::detail {
namespace {

struct byte_span {
  std::int64_t begin;
  std::int64_t end;
};

/** The bytes from the lowest to the highest that axes `first_axis`.. touch. */
byte_span span_of(const tensor_view& tensor, int first_axis) {
  const std::int64_t size = size_of(tensor.dtype());
  auto begin = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(tensor.data()));
  std::int64_t end = begin + size;
  for (int axis = first_axis; axis < tensor.rank(); ++axis) {
    const std::int64_t reach = (tensor.extent(axis) - 1) * tensor.stride(axis) * size;
    (reach < 0 ? begin : end) += reach;
  }
  return {begin, end};
}

bool intersect(byte_span a, byte_span b) {
  return a.begin < b.end && b.begin < a.end;
}

/** Two slices of rows `pitch` bytes apart: do they meet within the row, whichever rows they are? */
bool meet_in_row(byte_span a, byte_span b, std::int64_t pitch) {
  if (a.end - a.begin > pitch || b.end - b.begin > pitch) return true;
  const std::int64_t distance = ((b.begin - a.begin) % pitch + pitch) % pitch;
  return distance < a.end - a.begin || distance + (b.end - b.begin) > pitch;
}

/** Bytes from row to row of both; 0: they have none in common. One row fits any. */
std::int64_t common_pitch(const tensor_view& a, const tensor_view& b) {
  const auto pitch = [](const tensor_view& tensor) {
    return tensor.stride(0) * size_of(tensor.dtype());
  };
  if (a.extent(0) == 1) return b.extent(0) == 1 ? 0 : pitch(b);
  return b.extent(0) == 1 || pitch(a) == pitch(b) ? pitch(a) : 0;
}

}  // namespace

bool may_overlap(const tensor_view& a, const tensor_view& b) noexcept {
  if (a.size() == 0 || b.size() == 0) return false;
  if (!intersect(span_of(a, 0), span_of(b, 0))) return false;
  const std::int64_t pitch = common_pitch(a, b);
  return pitch <= 0 || meet_in_row(span_of(a, 1), span_of(b, 1), pitch);
}

bool may_overlap(const byte_range& a, const byte_range& b) noexcept {
  const auto begin = [](const byte_range& range) {
    return reinterpret_cast<std::uintptr_t>(range.data);
  };
  return a.bytes != 0 && b.bytes != 0 && begin(a) < begin(b) + b.bytes &&
         begin(b) < begin(a) + a.bytes;
}

byte_range reach_of(const tensor_view& tensor) noexcept {
  if (tensor.size() == 0) return {tensor.data(), 0};
  const byte_span span = span_of(tensor, 0);
  return {reinterpret_cast<const void*>(span.begin),
          static_cast<std::size_t>(span.end - span.begin)};
}

bool overlaps_itself(const tensor_view& tensor) {
  struct axis {
    std::int64_t stride;
    std::int64_t extent;
  };
  std::vector<axis> axes;
  for (int i = 0; i < tensor.rank(); ++i) {
    if (tensor.extent(i) > 1) axes.push_back({std::abs(tensor.stride(i)), tensor.extent(i)});
  }
  std::ranges::sort(axes, {}, &axis::stride);
  std::int64_t reach = 0;
  for (const auto& [stride, extent] : axes) {
    if (stride <= reach) return true;
    reach += (extent - 1) * stride;
  }
  return false;
}

}  // namespace ssugraph::detail
