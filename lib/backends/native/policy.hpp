#pragma once

/** Tuning of the native kernels, and what chose it. */
namespace ssugraph::detail {

/** Threads of a block. */
inline constexpr int block_threads = 128;

/** Elements of dstate a thread holds of a row: one Philox draw serves them. */
inline constexpr int octet_size = 8;

/**
 * Rows of dim a thread holds at once, all loaded before the first is used.
 *
 * H100, CUDA 13.0, 128x64x128 g8, bf16 state, PDL, 20 launches a graph, us a launch at batch
 * 1 / 8 / 64 / 512, plain and with Philox-10:
 *
 *     1 row   3.89 / 21.6 / 158 / 1271    5.29 / 29.3 / 223 / 1780
 *     2 rows  3.58 / 17.5 / 121 /  948    4.34 / 23.9 / 178 / 1414
 *     4 rows  3.78 / 19.2 / 126 /  959    5.34 / 24.0 / 168 / 1320
 *     8 rows  5.15 / 20.5 / 139 / 1094    7.79 / 27.1 / 191 / 1605
 */
inline constexpr int rows_per_thread = 2;

}  // namespace ssugraph::detail
