#pragma once

#include <ssugraph/tensor_view.hpp>

#include <algorithm>

namespace ssugraph::detail::native {

/** What a kernel is compiled for, beside the dtype of the state and whether it rounds. */
struct kernel_key {
  int lanes;     ///< threads a row: 2, 4, 8, 16 or 32; scalar access: 32
  int rows;      ///< rows a thread
  bool vector;   ///< 16-byte accesses
  bool wide_io;  ///< x, B, C, z and out are fp32, else of 16 bits
  bool tied;
  bool one_token;  ///< a sequence, always

  bool operator==(const kernel_key&) const = default;
};

/**
 * Which kernels there are: 2, 4 and 8 rows where that decides speed, else fewer. A row's sum ends
 * in one of at most eight of its threads, and a thread has no more rows than that; but for rows of
 * two threads, which would be too short to keep many loads in flight.
 */
constexpr bool is_compiled(const kernel_key& key) {
  if (!key.vector) return key.lanes == 32 && key.rows == 2;
  const int threads = key.lanes == 2 && key.one_token && !key.wide_io ? 4 : key.lanes;
  const int most = std::min(threads, key.tied && !key.wide_io ? 8 : 4);
  return key.rows >= (key.wide_io ? most : 2) && key.rows <= most;
}

/** Whether a kernel serves only where its tiles leave no rest of dim, and asks for none. */
constexpr bool takes_whole_tiles(const kernel_key& key) {
  return key.vector && key.rows > 2 && !key.wide_io;
}

/**
 * The kernel for `key`, a `void(ssu_params)`, among those of one format of the state, tied or not,
 * of one token a sequence or many; null if there is none. Each of these functions is a source of
 * its own, which the build writes (SsugraphNative.cmake).
 */
template <dtype State, bool Rounding, bool Tied, bool OneToken>
const void* find_kernel(const kernel_key& key);

}  // namespace ssugraph::detail::native
