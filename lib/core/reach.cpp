#include "lib/core/reach.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

/** What is below the limit; nothing is not. */
using distance = std::optional<std::int64_t>;

distance product(distance a, distance b) {
  std::int64_t result = 0;
  const bool fits = a && b && !__builtin_mul_overflow(*a, *b, &result) && result < address_limit;
  return fits ? distance{result} : std::nullopt;
}

distance sum(distance a, distance b) {
  return a && b && *a + *b < address_limit ? distance{*a + *b} : std::nullopt;
}

/** Bytes from one entry of an axis to the next, in either direction. */
distance step_of(const tensor_view& tensor, int axis) {
  // The lowest number has no counterpart, and its neighbour is no less out of reach.
  const std::int64_t stride = std::max(tensor.stride(axis), -address_limit);
  return product(std::max(stride, -stride), size_of(tensor.dtype()));
}

/** Bytes of all elements, an empty axis counting as one entry. */
distance count_bytes(const tensor_view& tensor) {
  distance bytes = size_of(tensor.dtype());
  for (const std::int64_t extent : tensor.extents()) {
    bytes = extent < 0 ? std::nullopt : product(bytes, std::max<std::int64_t>(extent, 1));
  }
  return bytes;
}

bool is_in_reach(const tensor_view& tensor) {
  if (!count_bytes(tensor)) return false;
  if (std::ranges::find(tensor.extents(), 0) != tensor.extents().end()) return true;
  distance below = 0;
  distance above = size_of(tensor.dtype());
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    if (tensor.extent(axis) == 1) continue;
    distance& side = tensor.stride(axis) < 0 ? below : above;
    side = sum(side, product(tensor.extent(axis) - 1, step_of(tensor, axis)));
  }
  const auto first = reinterpret_cast<std::uintptr_t>(tensor.data());
  return below && above && first >= static_cast<std::uintptr_t>(*below) &&
         first <= static_cast<std::uintptr_t>(address_limit - *above);
}

[[noreturn]] void refuse(std::string_view name, std::string what, const void* address) {
  throw invalid_argument{
      std::string{name}, "memory within 62 bits of address",
      std::move(what) + " at " + std::to_string(reinterpret_cast<std::uintptr_t>(address))};
}

}  // namespace

byte_range reach_of(const tensor_view& tensor, int first_axis) noexcept {
  if (tensor.size() == 0) return {tensor.data(), 0};
  std::int64_t below = 0;
  std::int64_t above = size_of(tensor.dtype());
  for (int axis = first_axis; axis < tensor.rank(); ++axis) {
    const std::int64_t distance =
        (tensor.extent(axis) - 1) * tensor.stride(axis) * size_of(tensor.dtype());
    (distance < 0 ? below : above) += distance;
  }
  const auto first = reinterpret_cast<std::uintptr_t>(tensor.data());
  return {reinterpret_cast<const void*>(first + static_cast<std::uintptr_t>(below)),
          static_cast<std::size_t>(above - below)};
}

void check_reach(std::string_view name, const tensor_view& tensor) {
  if (!is_in_reach(tensor)) refuse(name, to_string(tensor), tensor.data());
}

void check_reach(std::string_view name, const byte_range& range) {
  const auto first = reinterpret_cast<std::uintptr_t>(range.data);
  constexpr auto limit = static_cast<std::uintptr_t>(address_limit);
  if (first >= limit || range.bytes > limit - first)
    refuse(name, std::to_string(range.bytes) + " bytes", range.data);
}

tensor_view with_strides_in_reach(const tensor_view& tensor) {
  std::array<std::int64_t, tensor_view::max_rank> strides{};
  for (int axis = 0; axis < tensor.rank(); ++axis)
    strides[static_cast<std::size_t>(axis)] = step_of(tensor, axis) ? tensor.stride(axis) : 0;
  return {tensor.data(), tensor.dtype(), tensor.extents(),
          std::span{strides}.first(static_cast<std::size_t>(tensor.rank()))};
}

}  // namespace ssugraph::detail
