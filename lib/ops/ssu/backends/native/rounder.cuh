#pragma once

#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/random/philox.hpp"
#include "lib/state/codec.cuh"
#include "lib/state/rounding_bits.cuh"

#include <cstdint>

namespace ssugraph::detail::native {

/** Makes of states what is stored of them. */
template <class V>
struct rounder {
  using state = typename V::state;

  const tile<V>& mine;
  rounding_source from;
  static constexpr int draws = V::drawn * V::octets;
  static_assert(V::drawn == 1 || V::octets == 1, "draws are of rows, or of the octets of one");
  philox_words random[draws] = {};

  /** The random bits of rows `first`... of this thread. */
  __device__ void draw(int first) {
    if constexpr (!V::rounding || !V::vector) return;
    const std::uint32_t octets = mine.p.dstate / octet_size;
    const std::uint32_t row = mine.head * mine.p.dim + mine.row(first);
    draw_octets(from, row * octets + mine.lane * V::octets,
                V::octets > 1 ? 1 : mine.rows_apart() * octets, random);
  }

  /** Row `r`, in order; the bits of the first rows were drawn. `has_nan`: h may have one. */
  __device__ void narrow(int r, const float (&h)[octet_size], bool has_nan,
                         typename V::words& word) {
    if constexpr (!V::rounding) {
      round_nearest<state>(h, word);
    } else {
      round_stochastic(h, has_nan || !V::vector, bits_of(r), word, state{});
    }
  }

  /** Those of octet `o` of row `r`, in order. */
  __device__ philox_words bits_of(int r, int o = 0) {
    if constexpr (V::vector) {
      if (r > 0 && r % V::drawn == 0 && o == 0) draw(r);
      return random[V::octets > 1 ? o : r % V::drawn];
    } else {
      const std::int64_t row = std::int64_t{mine.head} * mine.p.dim + mine.row(r);
      return draw_unaligned(from, row * mine.p.dstate + mine.lane * octet_size);
    }
  }
};

}  // namespace ssugraph::detail::native
