#pragma once

#include "lib/device/io_width.hpp"

#include <ssugraph/tensor_view.hpp>

#include <algorithm>
#include <cstdint>

namespace ssugraph::detail::native {

/** How a thread reads and writes its part of a state: eight neighbours of dstate in each of its
 *  rows; as many neighbours of dim as it has rows, in each of eight columns; or one by one. */
enum class state_access : std::uint8_t { along_dstate, along_dim, by_element };

/** What a kernel is compiled for, beside the dtype of the state and whether it rounds. */
struct kernel_key {
  int lanes;   ///< threads a row: 2, 4, 8, 16 or 32; access by element: 32
  int rows;    ///< rows a thread
  int octets;  ///< of dstate that a thread holds of a row: 1 or 2
  state_access access;
  io_width io;  ///< of x, B, C, z and out
  bool tied;
  bool one_token;  ///< a sequence, always

  bool operator==(const kernel_key&) const = default;
};

/** Whether threads hold two octets, 16 bytes, of a row: half as many instructions are then spent on
 *  it. Of rows that are shorter, or no whole pairs of octets, they hold one. */
constexpr bool pairs_octets(const kernel_key& key, dtype state) {
  return size_of(state) == 1 && key.access == state_access::along_dstate && key.tied &&
         key.one_token && key.io == io_width::narrow;
}
inline constexpr int min_paired_lanes = 4;

/**
 * Which kernels there are: 2, 4 and 8 rows where that decides speed, else as many as there can be.
 * A row's sum ends in one of at most eight of its threads, and a thread has no more rows than that;
 * but for rows of two threads, which would be too short to keep many loads in flight. Of scaled
 * states there are fewer: none along dim, and inputs are narrow, where tied, or any; of octets that
 * could be pairs, but are not, any.
 */
constexpr bool is_compiled(const kernel_key& key, dtype state) {
  const bool scaled = is_scaled(state);
  const bool pairs = pairs_octets(key, state);
  if (key.octets > 1 && (!pairs || key.lanes < min_paired_lanes || key.lanes > 16)) return false;
  if (key.octets == 1 && pairs && key.lanes >= 2 * min_paired_lanes) return false;
  if (scaled && (key.io == io_width::wide || (!key.tied && key.io != io_width::any))) return false;
  if (key.access == state_access::by_element) return key.lanes == 32 && key.rows == 2;
  const bool along_dim = key.access == state_access::along_dim;
  if (along_dim && (scaled || key.io != io_width::any)) return false;
  const bool narrow = key.io == io_width::narrow;
  const int threads = key.lanes == 2 && key.one_token && (narrow || along_dim) ? 4 : key.lanes;
  const int most = std::min(threads, key.tied && (narrow || along_dim) ? 8 : 4);
  const int least = narrow ? 2 : std::min(most, 4);
  return key.rows >= least && key.rows <= most;
}

/**
 * Threads of one warp that share a row. Along dim they are few, so that a warp reads enough
 * neighbours of dim at a time; as many warps as that takes then share the row.
 */
constexpr int warp_lanes(state_access access, int lanes) {
  return access == state_access::along_dim ? std::min(lanes, 8) : lanes;
}

/** Whether a kernel serves only where its tiles leave no rest of dim, and asks for none. */
constexpr bool takes_whole_tiles(const kernel_key& key) {
  if (key.access == state_access::along_dim) return key.rows > key.lanes;
  return key.access == state_access::along_dstate && key.rows > 2 && key.io == io_width::narrow;
}

/**
 * The kernel for `key`, a `void(ssu_params)`, among those of one format of the state, tied or not,
 * of one token a sequence or many; null if there is none. Each of these functions is a source of
 * its own, which the build writes (SsugraphNative.cmake).
 */
template <dtype State, bool Rounding, bool Tied, bool OneToken>
const void* find_kernel(const kernel_key& key);

}  // namespace ssugraph::detail::native
