#pragma once

/** Tuning of the native kernels, and what chose it. */
namespace ssugraph::detail {

/** Threads of a block. */
inline constexpr int block_threads = 128;

/** Elements of dstate a thread holds of a row: one Philox draw serves them. */
inline constexpr int octet_size = 8;

/**
 * Rows of dim a thread holds at once, all loaded before the first is used: 64 bytes in flight a
 * thread with 16-bit state.
 */
inline constexpr int rows_per_thread = 4;

}  // namespace ssugraph::detail
