#pragma once

#include "lib/device/strided.hpp"
#include "lib/ops/ssu/backends/native/ssu_params.hpp"
#include "lib/step/sequence.hpp"

#include <cstddef>
#include <cstdint>

namespace ssugraph::detail::native {

/** The one argument of every kernel of checkpointed states. */
struct ring_params {
  ssu_params ssu;  ///< whose launch has a block a tile, and no threads that only wait
  strided<4> x_ring, B_ring;
  strided<3> dt_ring;
  index_tensor plan;                 ///< (n, 8) int32
  const std::int64_t* rounding_key;  ///< null: the slot
  std::int64_t key_stride;           ///< in elements
  std::int32_t ring_rows;            ///< R
  std::int32_t max_tokens;           ///< T
};

/** Bytes of shared memory that a block takes: of all inputs, live and new, time steps, weights and
 *  x of the tile's rows, and C of the new ones. */
constexpr std::size_t ring_stage_bytes(int lanes, int tile_rows, std::int64_t ring_rows,
                                       std::int64_t max_tokens) {
  constexpr int octet_floats = 8;
  const std::int64_t of_tokens = max_tokens * (std::int64_t{lanes} * octet_floats + 1 + ring_rows);
  constexpr int sum_floats = 2;
  const std::int64_t of_inputs = ring_rows * (2 + sum_floats + std::int64_t{tile_rows});
  return static_cast<std::size_t>(of_tokens + of_inputs + 1) * sizeof(float);
}

}  // namespace ssugraph::detail::native
