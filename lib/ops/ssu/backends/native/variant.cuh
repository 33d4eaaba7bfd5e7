#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/device/element.cuh"
#include "lib/device/memory.cuh"
#include "lib/device/row_sum.cuh"
#include "lib/ops/ssu/backends/native/kernels.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"
#include "lib/state/scaled.hpp"

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace ssugraph::detail::native {

/** What a kernel knows when it is compiled: its key, and what follows from it. */
template <class State, bool Rounding, kernel_key Key>
struct variant {
  using state = State;
  static constexpr bool vector = Key.access != state_access::by_element;
  static constexpr bool along_dim = Key.access == state_access::along_dim;
  static constexpr int octets = Key.octets;
  static constexpr int columns = octets * octet_size;
  using layout = octet_layout<State, Key.lanes, vector, octets>;
  using sum = row_sum<native::warp_lanes(Key.access, Key.lanes), Key.rows>;
  static constexpr bool scaled = is_scaled_code<State>;
  /** Rows that are in fp32 at a time, where a token has one at a time: those of a scaled state wait
   *  for their greatest value. */
  static constexpr int wide_rows = scaled ? std::min(Key.rows, max_rows_wide(octets)) : 1;
  using greatest = row_sum<native::warp_lanes(Key.access, Key.lanes), wide_rows>;
  using words = std::uint32_t[octets * words_of_octet<State>];  ///< of a row, as in memory
  using io = io_scalar<Key.io>;
  using io_octets = io_words<Key.io, octets>;
  using token = std::conditional_t<Key.one_token, std::uint32_t, std::int64_t>;
  static constexpr int lanes = Key.lanes;
  static constexpr int warp_lanes = native::warp_lanes(Key.access, Key.lanes);
  static constexpr int warps_a_row = lanes / warp_lanes;
  static constexpr int rows = Key.rows;
  /** Rows that follow one another in dim; behind each run comes that of the next group. */
  static constexpr int run_rows =
      along_dim ? std::min(Key.rows, vector_bytes / static_cast<int>(sizeof(State))) : 1;
  static constexpr int owned = sum::owned;
  /** Time steps that a thread makes: where tied, that of its head. */
  static constexpr int steps = Key.tied ? 1 : owned;
  /** Rows whose random bits are drawn at a time. */
  static constexpr int drawn = octets > 1 ? 1 : std::min(Key.rows, max_rows_drawn);
  static constexpr io_width io_kind = Key.io;
  static constexpr bool tied = Key.tied;
  static constexpr bool rounding = Rounding;
  static constexpr bool one_token = Key.one_token;
  static constexpr bool whole_tiles = takes_whole_tiles(Key);
  static constexpr int max_workers = native::max_workers(Key.access);
  static constexpr int max_registers = native::max_registers(Key, scaled);

  static_assert(vector || lanes == warp_threads,
                "a warp holds a row of any dstate where elements are accessed one by one");
  static_assert(!scaled || !along_dim, "the lanes of a row that is scaled are of one warp");
  static_assert(rows % wide_rows == 0, "all rows are as many at a time");
  static_assert(rows % drawn == 0, "each draw of random bits is for rows that there are");
  static_assert(!rounding || layout::chunks == 1,
                "what is rounded are eight neighbours, which one draw serves");
};

}  // namespace ssugraph::detail::native
