#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/backends/native/kernels.hpp"

#include <ssugraph/tensor_view.hpp>

#include <algorithm>

namespace ssugraph::detail::native {

/** What a kernel of checkpointed states is compiled for: inputs of any width, one octet a thread.
 */
constexpr kernel_key ring_key(int lanes, int rows, state_access access) {
  return {.lanes = lanes,
          .rows = rows,
          .octets = 1,
          .access = access,
          .io = io_width::any,
          .tied = true,
          .one_token = false};
}

/** Which there are: 4 and 8 rows a thread, or as many as a row has threads; none along dim. */
constexpr bool is_ring_compiled(int lanes, int rows, state_access access) {
  if (access == state_access::by_element) return lanes == warp_threads && rows == 2;
  if (access == state_access::along_dim) return false;
  return rows == std::min(lanes, 4) || rows == std::min(lanes, 8);
}

/** The kernel, a `void(ring_params)`, for states of one format; null if there is none. Each of
 * these functions is a source of its own, which the build writes (SsugraphNative.cmake). */
template <dtype State, bool Rounding>
const void* find_ring_kernel(int lanes, int rows, state_access access);

}  // namespace ssugraph::detail::native
