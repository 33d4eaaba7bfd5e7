#pragma once

/** Tuning of the native kernels, and what chose it. All times: H100, CUDA 13.0, 128x64x128 g8, bf16
 *  state, 20 to 80 launches a graph with programmatic edges, us a launch. */
namespace ssugraph::detail {

/** Elements of dstate a thread holds of a row: one Philox draw serves them. */
inline constexpr int octet_size = 8;

/** Threads of the warp that only waits and triggers. Without it, batch 4 and 16 take 7.1 and 24.7
 *  instead of 6.6 and 24.0: what triggers late keeps the next launch from loading. */
inline constexpr int waiting_threads = 32;

/** Threads of a block that hold rows: as many as near as possible to the first of these that cut
 *  dim into tiles without a rest. */
inline constexpr int usual_workers = 128;
inline constexpr int max_workers = 224;
inline constexpr int max_block_threads = max_workers + waiting_threads;

/**
 * Rows of dim a thread holds at once, all loaded before the first is used; fewer where there would
 * be less than `enough_blocks` blocks. With more, fewer instructions are spent on addresses and
 * scalars; with fewer, more blocks share the work. At batch 1 / 4 / 16 / 64 / 512:
 *
 *     2 rows             2.60 / 6.96 / 24.8
 *     4 rows             2.54 / 6.74 / 24.3 / 93.5 / 731
 *     8 rows             2.62 / 6.64 / 24.0 / 92.7 / 729
 *     4 rows, Philox-10  3.19 / 7.81 / 25.6 / 94.7 / 734
 *     8 rows, Philox-10  3.43 / 8.27 / 26.3 / 96.2 / 731
 */
inline constexpr int max_rows = 8;
inline constexpr int max_rounding_rows = 4;
inline constexpr int enough_blocks = 256;
inline constexpr int scalar_rows = 2;

/** Blocks of the largest size that shall fit a multiprocessor: 4, 3, 2 or 1 leave a thread 64, 80,
 * 128 or 255 registers. */
constexpr int blocks_to_fit(int rows, bool vector, bool tied, bool one_token) {
  const int blocks = rows <= 2 ? 4 : rows == 4 ? 3 : 2;
  if (!one_token) return blocks - 2;
  return vector && tied ? blocks : blocks - 1;
}

/** The number of Philox rounds whose loop is unrolled. */
inline constexpr int usual_philox_rounds = 10;

}  // namespace ssugraph::detail
