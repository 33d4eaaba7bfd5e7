#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/backends/native/kernels.hpp"

/** Tuning of the native kernels, and what chose it. All times: H100, CUDA 13.0, 128x64x128 g8, bf16
 *  state, 20 to 80 launches a graph with programmatic edges, us a launch. */
namespace ssugraph::detail::native {

/** Threads of the warp that only waits and triggers, where a launch of one token may not trigger
 *  ahead. Without it, batch 4 and 16 take 7.1 and 24.7 instead of 6.6 and 24.0: what triggers late
 *  keeps the next launch from loading. */
inline constexpr int waiting_threads = 32;

/** Threads of a block that hold rows: those that cut dim into tiles with the least rest, and of
 *  them the nearest to the usual number, which is the least where two threads hold a row: 8192x16
 *  untied takes 56.4 us at batch 256 with 64, 56.7 with 128. Along dim the usual number reads a
 *  whole cache line of each column, which takes twice as many where 32 threads hold a row. */
inline constexpr int usual_workers = 128;
inline constexpr int min_workers = 64;
constexpr int max_workers(state_access access) {
  return access == state_access::along_dim ? 256 : 224;
}
constexpr int usual_workers_along_dim(int lanes) {
  return lanes == warp_threads ? 256 : usual_workers;
}
static_assert(min_workers % warp_threads == 0 && usual_workers % warp_threads == 0 &&
                  max_workers(state_access::along_dstate) % warp_threads == 0 &&
                  waiting_threads % warp_threads == 0,
              "whole warps hold rows or wait: all threads of a warp take part in its sums");

/**
 * Rows of dim a thread holds at once, all loaded before the first is used: as many as there are,
 * but no more than 4 where 8 would leave less than `enough_blocks`. With more, fewer instructions
 * are spent on addresses and scalars; with fewer, more blocks share the work. `bench --layers 20`,
 * batch 1 / 2 / 3 / 4 / 8 / 16 / 64 (2 rows before launches triggered ahead):
 *
 *     2 rows                 3.31 / 5.09 / 6.57 / 8.17 / 14.3 / 26.5 / 100
 *     4 rows                 2.34 / 3.88 / 5.19 / 7.58 / 13.3 / 24.7 / 93.5
 *     8 rows                 2.37 / 3.79 / 5.22 / 6.57 / 12.7 / 24.4 / 92.9
 *     4 rows, Philox-10      2.44 / 4.31 / 5.79 / 8.09 / 14.0
 *     8 rows, Philox-10      2.48 / 3.83 / 5.47 / 6.97 / 13.2
 *     4 rows, fp32           3.62 / 6.35 / 9.39 / 12.5 / 24.2
 *     8 rows, fp32           3.71 / 6.61 / 9.18 / 12.3 / 23.9
 *     4 rows, 4 tokens       3.74 / 5.32        / 10.1 / 17.7 / 32.9 / 120
 *     8 rows, 4 tokens       4.20 / 4.77        / 8.88 / 16.5 / 30.3 / 106
 *
 * Behind a kernel of 3 us (`--between kernel`), where nothing is ahead, batch 1 / 2 / 3:
 *
 *     4 rows                 4.79 / 6.05 / 7.81
 *     8 rows                 4.99 / 6.20 / 7.42
 *     4 rows, Philox-10      5.53 / 7.18 / 9.35
 *     8 rows, Philox-10      6.05 / 7.47 / 8.87
 *
 * One token takes two blocks a multiprocessor (132 there), several tokens one.
 */
inline constexpr int max_rows = 8;
constexpr int enough_blocks(bool one_token, int multiprocessors) {
  return one_token ? 2 * multiprocessors : multiprocessors;
}

/** Blocks below which threads that hold two octets and round them stochastically take 4 rows and
 *  not 8: such a block computes for long, and a few blocks a multiprocessor leave it waiting.
 *  Philox-10, 4 rows and 8, batch 1 / 2 / 8 / 64, where 8 rows have 128 blocks a sequence:
 *
 *     int8  2.30 / 3.34 / 10.8 / 79.6    3.14 / 4.13 / 10.8 / 74.1
 *     fp8   2.91 / 3.74 / 11.7 / 85.6    3.75 / 5.54 / 12.9 / 85.6
 */
constexpr int enough_blocks_rounded(int multiprocessors) {
  return 8 * multiprocessors;
}
inline constexpr int scalar_rows = 2;

/** Tokens that a block stages in shared memory at a time. */
inline constexpr int staged_tokens = 8;

/** Sequences of up to so many tokens may let the next launch start before their own wait. What
 * starts early takes the places where it finds them, some multiprocessors full and some empty, and
 * that costs most where blocks work long: batch 1 of 2 / 4 / 8 tokens takes 2.9 / 3.7 / 5.4 so,
 * and 4.9 / 5.1 / 5.3 without; speculative ones 3.5 / 5.5 / 9.7 and 5.5 / 6.4 / 7.9. */
inline constexpr int max_tokens_ahead = 4;

/**
 * Rows of a scaled state that are in fp32 at a time, between their update and their scale: with
 * fewer, sums and divisions wait alone; with more, registers run out. us at batch 64 / 256:
 *
 *     int16, one octet a thread, 2 / 4 rows  95.5 / 377.6    94.4 / 372.8
 *     fp8, two octets, 1 / 2 / 4 rows        52.5 / 202      50.9 / 197      51.8 / 201
 */
constexpr int max_rows_wide(int octets) {
  return octets == 1 ? 4 : 2;
}

/** Rows whose random bits are drawn at a time. With 4, their 8 registers more are spilled: 95.4 us
 * at batch 64 instead of 93.2. */
inline constexpr int max_rows_drawn = 2;

/**
 * Registers a thread may have. Each quarter of a multiprocessor has 16384 for its warps: with 96,
 * five of them fit, with 128 four. What waits, for memory or for a result, waits beside more
 * others. `bench`, 8 rows, Philox-10, bf16, batch 4 / 8 / 16 / 64, when a block had a fifth warp
 * that waits:
 *
 *     118                           8.9 / 15.0 / 27.1 / 100
 *     96, four rows drawn at a time 7.4 / 13.6 / 25.5 / 95.4
 *
 * A row of several tokens keeps its state in fp32: 8 rows with 128 and four blocks of four warps
 * take 95 us for 64 sequences of two tokens, with a fifth warp, and so three blocks, 102.
 *
 * A scaled state holds rows in fp32, too: int16 with 96 / 112 / 128 takes 13.6 / 13.3 / 13.3 us at
 * batch 8 and, with Philox-10, 96.8 / 96.5 / 97.2 at 64.
 */
constexpr int max_registers(const kernel_key& key, bool scaled) {
  const bool vector = key.access != state_access::by_element;
  const bool light = vector && key.tied;
  if (scaled && key.one_token && vector) return key.rows == 8 && key.octets == 1 ? 112 : 128;
  if (key.one_token) {
    if (!vector || key.rows == 8) return 96;
    return key.rows == 2 ? 64 : light ? 80 : 128;
  }
  if (!vector) return 255;
  if (!light || key.io != io_width::narrow) return 168;
  return key.rows == 8 ? 128 : key.rows == 4 ? 96 : 80;
}

}  // namespace ssugraph::detail::native
