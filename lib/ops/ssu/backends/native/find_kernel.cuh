#pragma once

#include "lib/ops/ssu/backends/native/kernels.hpp"
#include "lib/ops/ssu/backends/native/ssu_kernel.cuh"
#include "lib/ops/ssu/backends/native/ssu_tokens_kernel.cuh"
#include "lib/state/codec.cuh"

#include <cstddef>
#include <type_traits>
#include <utility>

/** From run time to compile time. */
namespace ssugraph::detail::native {

/** All keys there might be, by number: five widths, three numbers of rows, three ways of access,
 * three widths of inputs, and the three conditions. */
inline constexpr std::size_t key_count = 5 * 3 * 2 * 3 * 3 * 4;

constexpr kernel_key numbered_key(std::size_t i) {
  return {.lanes = 2 << i / 216,
          .rows = 2 << i / 72 % 3,
          .octets = 1 << i / 36 % 2,
          .access = static_cast<state_access>(i / 12 % 3),
          .io = static_cast<io_width>(i / 4 % 3),
          .tied = i / 2 % 2 == 1,
          .one_token = i % 2 == 1};
}

template <dtype State, bool Rounding, std::size_t I>
const void* numbered_kernel() {
  constexpr kernel_key key = numbered_key(I);
  using V = variant<typename state_of<State>::type, Rounding, key>;
  if constexpr (key.one_token) {
    return reinterpret_cast<const void*>(&ssu_kernel<V>);
  } else {
    return reinterpret_cast<const void*>(&ssu_tokens_kernel<V>);
  }
}

template <dtype State, bool Rounding, bool Tied, bool OneToken>
const void* find_kernel(const kernel_key& key) {
  const void* found = nullptr;
  const auto look_at = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
    constexpr kernel_key here = numbered_key(I);
    if constexpr (is_compiled(here, State) && here.tied == Tied && here.one_token == OneToken) {
      if (key == here) found = numbered_kernel<State, Rounding, I>();
    }
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (look_at(std::integral_constant<std::size_t, I>{}), ...);
  }
  (std::make_index_sequence<key_count>{});
  return found;
}

}  // namespace ssugraph::detail::native
