#pragma once

#include "lib/ops/ssu/backends/native/rounder.cuh"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/state/scaled.hpp"

#include <cstdint>

namespace ssugraph::detail::native {

/** What a thread makes of the rows of a scaled state: their scales, by the threads that own the
 *  rows, and the codes. */
template <class V>
struct scaler {
  using state = typename V::state;
  using greatest = typename V::greatest;
  static constexpr int turns = V::rows / V::wide_rows;

  const tile<V>& mine;
  float decode[turns][greatest::owned];
  float encode[V::wide_rows];

  /** Finds the scales of rows `first` on. All threads of the warp take part. */
  __device__ void measure(int first, const float (*h)[V::columns]) {
    float most[V::wide_rows];
#pragma unroll
    for (int i = 0; i < V::wide_rows; ++i) {
      most[i] = greatest_of(octet_of(h[i], 0));
#pragma unroll
      for (int o = 1; o < V::octets; ++o)
        most[i] = greater_magnitude(most[i], greatest_of(octet_of(h[i], o)));
    }
    greatest::reduce(most, mine.sum_lane, greater_magnitude);
    float own_encode[greatest::owned];
#pragma unroll
    for (int k = 0; k < greatest::owned; ++k) {
      const row_scale scale = scale_of<state, V::rounding>(most[k]);
      decode[first / V::wide_rows][k] = scale.decode;
      own_encode[k] = scale.encode;
    }
#pragma unroll
    for (int i = 0; i < V::wide_rows; ++i)
      encode[i] = greatest::broadcast(own_encode[i % greatest::owned], i);
  }

  /** The codes of row `r`, which was measured last. */
  __device__ void narrow(int r, const float (&h)[V::columns], rounder<V>& rounded,
                         typename V::words& word) {
    using octet_words = std::uint32_t[words_of_octet<state>];
#pragma unroll
    for (int o = 0; o < V::octets; ++o) {
      auto& codes = *reinterpret_cast<octet_words*>(word + o * words_of_octet<state>);
      if constexpr (V::rounding) {
        encode_octet<state>(octet_of(h, o), encode[r % V::wide_rows], rounded.bits_of(r, o), codes);
      } else {
        encode_octet<state>(octet_of(h, o), encode[r % V::wide_rows], codes);
      }
    }
  }

  /** Writes the scales of all rows. */
  __device__ void write(std::int64_t slot) const {
    const std::uint32_t own = greatest::own_row(mine.sum_lane);
    if (greatest::owner(own) != mine.sum_lane) return;
#pragma unroll
    for (int turn = 0; turn < turns; ++turn) {
#pragma unroll
      for (int k = 0; k < greatest::owned; ++k) {
        const std::uint32_t row = mine.row(turn * V::wide_rows + own + k);
        std::byte* at = mine.scale_of_row(mine.p.dst_state_scale, slot, row);
        if (mine.exists(row)) *reinterpret_cast<float*>(at) = decode[turn][k];
      }
    }
  }
};

}  // namespace ssugraph::detail::native
