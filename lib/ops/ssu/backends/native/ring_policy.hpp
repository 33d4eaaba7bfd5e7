#pragma once

/** Tuning of the native kernels of checkpointed states. */
namespace ssugraph::detail::native {

/** Loads of a thread that are in flight together: octets of B, and values of x. With 16 rows in the
 *  ring and one token there are three of one and nine of the other. */
inline constexpr int ring_octets_ahead = 3;
inline constexpr int ring_values_ahead = 9;

}  // namespace ssugraph::detail::native
