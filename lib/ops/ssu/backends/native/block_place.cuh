#pragma once

#include "lib/ops/ssu/backends/native/ssu_params.hpp"

#include <cstdint>

namespace ssugraph::detail::native {

/** What a block works on. */
struct block_place {
  std::uint32_t sequence;
  std::uint32_t head;
  std::uint32_t tile;  ///< of the head
};

/** Sequences come in an order that mixes the last ones, which padding makes null, with live ones.
 */
__device__ inline block_place place_of_block(const ssu_params& p) {
  const std::uint32_t heads_before = p.tiles.quotient(blockIdx.x);
  const std::uint32_t number = p.heads.quotient(heads_before);
  return {.sequence = number / 2 + (number % 2 == 0 ? 0 : (p.sequences + 1) / 2),
          .head = heads_before - number * p.heads.divisor(),
          .tile = blockIdx.x - heads_before * p.tiles.divisor()};
}

}  // namespace ssugraph::detail::native
