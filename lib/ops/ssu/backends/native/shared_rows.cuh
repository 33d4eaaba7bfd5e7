#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"
#include "lib/ops/ssu/backends/native/tile.cuh"

#include <cstdint>

namespace ssugraph::detail::native {

/** The sums of rows that several warps share: each has those of its own lanes. */
template <class V>
struct shared_rows {
  static constexpr int rows = V::max_workers / V::lanes * V::rows;
  float part[V::warps_a_row][rows];

  /** The first of `sum` become those of all lanes, in the warps that write them. All workers of the
   *  block take part, and none may come again before all have left. */
  __device__ void add_up(const tile<V>& mine, float (&sum)[V::rows]) {
    const std::uint32_t row = mine.group() * V::rows + V::sum::own_row(mine.sum_lane);
    if (mine.owns_first) {
#pragma unroll
      for (int k = 0; k < V::owned; ++k)
        part[mine.warp_of_row()][row + k] = sum[k];
    }
    // Not of all threads: one warp may only wait for the launch in front.
    asm volatile("bar.sync 1, %0;" ::"r"(mine.p.workers) : "memory");
#pragma unroll
    for (int k = 0; k < V::owned; ++k) {
      sum[k] = 0.0f;
#pragma unroll
      for (int warp = 0; warp < V::warps_a_row; ++warp)
        sum[k] += part[warp][row + k];
    }
  }
};

}  // namespace ssugraph::detail::native
