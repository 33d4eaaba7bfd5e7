#pragma once

#include <ssugraph/tensor_view.hpp>

#include <concepts>
#include <string>
#include <type_traits>

namespace ssugraph::detail {

/** The least multiple of `alignment` that is no less than `size`; neither is negative. */
template <std::integral Integer>
[[nodiscard]] constexpr Integer aligned(Integer size, std::type_identity_t<Integer> alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

/** Throws invalid_argument unless `tensor` has an address, and one that its dtype may lie at. */
void check_address(const std::string& name, const tensor_view& tensor);

}  // namespace ssugraph::detail
