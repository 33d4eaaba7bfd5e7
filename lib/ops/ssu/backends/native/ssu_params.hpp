#pragma once

#include "lib/device/fast_divisor.hpp"
#include "lib/device/strided.hpp"
#include "lib/step/sequence.hpp"

#include <cstdint>

namespace ssugraph::detail::native {

/** The one argument of every native SSU kernel. */
struct ssu_params {
  strided<4> state;
  strided<4> dst_state;  ///< unbound: the state
  strided<3> x, dt, z, out;
  strided<3> A, B, C;
  strided<2> D, dt_bias;  ///< D, dt_bias and z, unbound: anything that can be read
  index_tensor indices, dst_indices, accepted, cu_seqlens;  ///< as in sequence_rule
  const std::int64_t* rand_seed;                            ///< null: drawn_seed
  std::int64_t drawn_seed;
  std::int64_t slots, dst_slots, rows, max_seqlen, null_block_id;  ///< as in sequence_rule
  std::uint32_t dim;
  std::uint32_t dstate;
  fast_divisor heads_per_group;
  // A block's number counts tiles, then heads, then sequences.
  fast_divisor tiles;
  fast_divisor heads;
  std::uint32_t sequences;
  std::uint32_t workers;  ///< threads of a block that hold rows; the others only wait
  std::int32_t philox_rounds;
  float dt_min, dt_max;
  bool has_D;
  bool has_dt_bias;
  bool has_z;
  bool dt_softplus;
  bool state_ahead;     ///< state, indices and counts are read before the wait
  bool inputs_ahead;    ///< all else, too
  bool triggers_ahead;  ///< before the wait
  // Of scaled states alone.
  strided<3> state_scale;
  strided<3> dst_state_scale;  ///< unbound: state_scale
};

}  // namespace ssugraph::detail::native
