#pragma once

/** Tuning of the native kernels of checkpointed states. */
namespace ssugraph::detail::native {

/** Blocks that a multiprocessor holds at least: a thread has 128 registers then. */
inline constexpr int ring_blocks = 2;

/** Loads of a thread that are in flight together: octets of B, and values of x. With 16 rows in the
 *  ring and one token there are three of one and nine of the other. */
inline constexpr int ring_octets_ahead = 3;
inline constexpr int ring_values_ahead = 9;

/** Rows that are in fp32 at a time while inputs are added to them. */
inline constexpr int max_rows_flushed = 4;

}  // namespace ssugraph::detail::native
