#pragma once

#include <concepts>
#include <type_traits>

namespace ssugraph::detail {

/** The least multiple of `alignment` that is no less than `size`; neither is negative. */
template <std::integral Integer>
[[nodiscard]] constexpr Integer aligned(Integer size, std::type_identity_t<Integer> alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

}  // namespace ssugraph::detail
