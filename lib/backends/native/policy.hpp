#pragma once

#include "lib/backends/native/kernels.hpp"

/** Tuning of the native kernels, and what chose it. All times: H100, CUDA 13.0, 128x64x128 g8, bf16
 *  state, 20 to 80 launches a graph with programmatic edges, us a launch. */
namespace ssugraph::detail {

/** Elements of dstate a thread holds of a row: one Philox draw serves them. */
inline constexpr int octet_size = 8;

/** Threads of the warp that only waits and triggers. Without it, batch 4 and 16 take 7.1 and 24.7
 *  instead of 6.6 and 24.0: what triggers late keeps the next launch from loading. */
inline constexpr int waiting_threads = 32;

/** Threads of a block that hold rows: those that cut dim into tiles with the least rest, and of
 * them the nearest to the usual number. */
inline constexpr int usual_workers = 128;
inline constexpr int min_workers = 64;
inline constexpr int max_workers = 224;
inline constexpr int max_block_threads = max_workers + waiting_threads;

/**
 * Rows of dim a thread holds at once, all loaded before the first is used: as many as there are,
 * but no more than 4 where 8 would leave less than `enough_blocks`. With more, fewer instructions
 * are spent on addresses and scalars; with fewer, more blocks share the work, of which rounding,
 * fp32 state and several tokens bring more. `bench --layers 24`, batch 1 / 2 / 3 / 4 / 8 / 16 / 64:
 *
 *     2 rows                 3.31 / 5.09 / 6.57 / 8.17 / 14.3 / 26.5 / 100
 *     4 rows                 3.21 / 4.43 / 6.25 / 7.56 / 13.3 / 24.7 / 93.2
 *     8 rows                 3.22 / 4.45 / 5.66 / 6.70 / 12.7 / 24.4 / 92.7
 *     4 rows, Philox-10      3.63 / 4.89 / 7.24 / 8.47 / 14.7 / 27.0 / 99.9
 *     8 rows, Philox-10      3.72 / 5.06 / 6.21 / 7.25 / 13.3 / 25.0 / 93.0
 *     4 rows, fp32           4.35 / 6.77        / 12.6 / 24.3 / 46.9 / 183
 *     8 rows, fp32           4.41 / 6.89        / 12.3 / 23.8 / 46.6 / 182
 *     4 rows, 4 tokens       4.04 / 5.44        / 10.2 / 19.3 / 35.9 / 135
 *     8 rows, 4 tokens       4.40 / 5.77        / 10.3 / 18.2 / 32.9 / 121
 *
 * Batch 1 of 64 and 48 heads takes 2.48 and 2.36 with 8 rows, 2.57 and 2.35 with 4.
 */
inline constexpr int max_rows = 8;
constexpr int enough_blocks(bool one_token, bool rounding, bool wide_state) {
  return !one_token ? 1024 : rounding || wide_state ? 264 : 0;
}
inline constexpr int scalar_rows = 2;

/** Tokens that a block stages in shared memory at a time. */
inline constexpr int staged_tokens = 8;

/** Rows whose random bits are drawn at a time. With 4, their 8 registers more are spilled: 95.4 us
 * at batch 64 instead of 93.2. */
inline constexpr int max_rows_drawn = 2;

/**
 * Registers a thread may have. Each quarter of a multiprocessor has 16384 for its warps: with 96,
 * 20 warps fit, which are four blocks of the usual five; with 128, 16 and three blocks. What waits,
 * for memory or for a result, waits beside more others. `bench`, 8 rows, Philox-10, bf16, batch 4 /
 * 8 / 16 / 64:
 *
 *     118                           8.9 / 15.0 / 27.1 / 100
 *     96, four rows drawn at a time 7.4 / 13.6 / 25.5 / 95.4
 *
 * A row of several tokens keeps its state in fp32: 8 rows with 128 take 102 us for 64 sequences of
 * two tokens, with 136 (12 warps, two blocks) 129.
 */
constexpr int max_registers(const kernel_key& key) {
  const bool light = key.vector && key.tied;
  if (key.one_token) {
    if (!key.vector || key.rows == 8) return 96;
    return key.rows == 2 ? 64 : light ? 80 : 128;
  }
  if (!key.vector) return 255;
  if (!light || key.wide_io) return 168;
  return key.rows == 8 ? 128 : key.rows == 4 ? 96 : 80;
}

/** The number of Philox rounds whose loop is unrolled. */
inline constexpr int usual_philox_rounds = 10;

}  // namespace ssugraph::detail
