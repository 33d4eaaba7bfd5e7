#pragma once

#include "lib/core/launch_limits.hpp"

#include <bit>
#include <cstdint>

/** The sums over dstate of a thread's rows, or their greatest values, all at once. */
namespace ssugraph::detail {

/**
 * Adds up each of `Rows` values over the `Lanes` neighbouring threads that share a row. Halving the
 * rows with each exchange leaves a thread with its *own*, in Rows - 1 shuffles and a few more: one
 * row, or several neighbours where there are more rows than threads to deal them out to. The tree
 * of additions is the same whatever `Rows` is, so that no result hangs on the tile.
 */
template <int Lanes, int Rows>
struct row_sum {
  /** The threads among whom the rows are dealt out. */
  static constexpr int dealt = Lanes < 8 ? Lanes : 8;
  static constexpr int owned = Rows < dealt ? 1 : Rows / dealt;
  static constexpr int copies = Rows < dealt ? dealt / Rows : 1;
  static_assert(warp_threads % Lanes == 0, "the threads of a row are of one warp");
  static_assert(std::has_single_bit(static_cast<unsigned>(Lanes)) &&
                    std::has_single_bit(static_cast<unsigned>(Rows)),
                "each exchange halves the threads, and the rows while there are several");
  static_assert(owned * dealt == Rows * copies, "each row has an owner, and all have equally many");
  static_assert(owned == 1 || dealt == Lanes, "the last exchanges are of one row");

  /** The first row that thread `lane` owns. */
  __device__ static std::uint32_t own_row(std::uint32_t lane) {
    return lane % dealt / copies * owned;
  }
  /** The number of thread `lane` among those that own the same row. */
  __device__ static std::uint32_t rank(std::uint32_t lane) {
    return lane / dealt * copies + lane % copies;
  }
  /** The first thread that owns row `r`. */
  __device__ static std::uint32_t owner(std::uint32_t r) { return r / owned * copies; }

  /** What thread `lane` of those that share a row passes. All threads of the warp take part. */
  __device__ static float from(float value, std::uint32_t lane) {
    return __shfl_sync(whole_warp, value, lane, Lanes);
  }
  /** What the owner of row `r` passes. */
  __device__ static float broadcast(float value, int r) { return from(value, owner(r)); }

  /** Leaves the sums of the own rows in the first values. All threads of the warp take part. */
  __device__ static void reduce(float (&value)[Rows], std::uint32_t lane) {
    reduce(value, lane, [](float a, float b) { return a + b; });
  }
  /** The same with `joined(a, b)` in place of sums. */
  template <class Joined>
  __device__ static void reduce(float (&value)[Rows], std::uint32_t lane, Joined joined) {
#pragma unroll
    for (int step = 0, left = Rows; (dealt >> step) > 1; ++step, left = left > 1 ? left / 2 : 1) {
      const int distance = dealt >> (step + 1);
      if (left == 1) {
        value[0] = joined(value[0], exchange(value[0], distance));
      } else {
        const bool upper = (lane & distance) != 0;
#pragma unroll
        for (int r = 0; r < left / 2; ++r) {
          const float kept = upper ? value[r + left / 2] : value[r];
          const float given = upper ? value[r] : value[r + left / 2];
          value[r] = joined(kept, exchange(given, distance));
        }
      }
    }
#pragma unroll
    for (int distance = dealt; distance < Lanes; distance *= 2)
      value[0] = joined(value[0], exchange(value[0], distance));
  }

 private:
  __device__ static float exchange(float value, int distance) {
    return __shfl_xor_sync(whole_warp, value, distance);
  }
};

}  // namespace ssugraph::detail
