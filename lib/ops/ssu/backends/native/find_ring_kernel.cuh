#pragma once

#include "lib/ops/ssu/backends/native/ring_kernel.cuh"
#include "lib/ops/ssu/backends/native/ring_kernels.hpp"
#include "lib/state/codec.cuh"

#include <type_traits>
#include <utility>

/** From run time to compile time. */
namespace ssugraph::detail::native {

template <dtype State, bool Rounding>
const void* find_ring_kernel(int lanes, int rows, state_access access) {
  const void* found = nullptr;
  const auto look_at = [&]<int Lanes, int Rows, state_access Access>() {
    if constexpr (is_ring_compiled(Lanes, Rows, Access)) {
      using V = variant<typename state_of<State>::type, Rounding, ring_key(Lanes, Rows, Access)>;
      if (lanes == Lanes && rows == Rows && access == Access)
        found = reinterpret_cast<const void*>(&ring_kernel<V>);
    }
  };
  const auto look_at_rows = [&]<int Rows>() {
    [&]<int... Log>(std::integer_sequence<int, Log...>) {
      (look_at.template operator()<2 << Log, Rows, state_access::along_dstate>(), ...);
    }
    (std::make_integer_sequence<int, 5>{});
  };
  look_at_rows.template operator()<2>();
  look_at_rows.template operator()<4>();
  look_at_rows.template operator()<8>();
  look_at.template operator()<warp_threads, 2, state_access::by_element>();
  return found;
}

}  // namespace ssugraph::detail::native
