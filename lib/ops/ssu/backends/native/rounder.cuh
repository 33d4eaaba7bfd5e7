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
  const tile<V>& mine;
  rounding_source from;
  philox_words random[V::drawn] = {};

  /** The random bits of rows `first`... of this thread. */
  __device__ void draw(int first) {
    if constexpr (!V::rounding || !V::vector) return;
    const std::uint32_t octets = mine.p.dstate / octet_size;
    draw_octets(from, (mine.head * mine.p.dim + mine.row(first)) * octets + mine.lane,
                mine.rows_apart() * octets, random);
  }

  /** Row `r`, in order; the bits of the first rows were drawn. `has_nan`: h may have one. */
  __device__ void narrow(int r, const float (&h)[octet_size], bool has_nan,
                         typename V::octet& word) {
    if constexpr (!V::rounding) {
      round_nearest<typename V::state>(h, word);
    } else if constexpr (V::vector) {
      if (r > 0 && r % V::drawn == 0) draw(r);
      round_stochastic(h, has_nan, random[r % V::drawn], word, typename V::state{});
    } else {
      const std::int64_t row = std::int64_t{mine.head} * mine.p.dim + mine.row(r);
      const philox_words bits = draw_unaligned(from, row * mine.p.dstate + mine.lane * octet_size);
      round_stochastic(h, true, bits, word, typename V::state{});
    }
  }
};

}  // namespace ssugraph::detail::native
