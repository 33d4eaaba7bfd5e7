#pragma once

#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/native/ring_params.hpp"

#include <cstdint>

namespace ssugraph::detail::native {

/** What a block of a checkpointed step holds in shared memory. Inputs are the live rows of the
 * ring, oldest first, and behind them the new tokens. */
struct ring_stage {
  float4* C;           ///< [token][half][lane], so that the threads of a row read neighbours
  double* sum_dt;      ///< [input] dt' of it and all before: their differences must stay exact
  float* dt;           ///< [input] dt'
  float* flushed;      ///< [input] what an input has of the new checkpoint, beside x B
  float* start_decay;  ///< [token] exp(L): what is left of the state that was read
  float* flush_decay;  ///< the same at the new checkpoint
  float* weight;       ///< [token][input] what an input has of out, beside x
  float* x;            ///< [input][row of the tile]
  int lanes;
  int inputs;  ///< that there is room for
  int tile_rows;

  /** Lays it out in `memory`, of ring_stage_bytes. */
  __device__ ring_stage(float4* memory, const ring_params& q, int lanes_of_row, int rows_of_tile)
      : C{memory}, lanes{lanes_of_row}, inputs{q.ring_rows}, tile_rows{rows_of_tile} {
    sum_dt = reinterpret_cast<double*>(C + q.max_tokens * 2 * lanes);
    float* next = reinterpret_cast<float*>(sum_dt + inputs);
    const auto take = [&](int count) {
      float* const taken = next;
      next += count;
      return taken;
    };
    dt = take(inputs);
    flushed = take(inputs);
    start_decay = take(q.max_tokens);
    flush_decay = take(1);
    weight = take(q.max_tokens * inputs);
    x = take(inputs * tile_rows);
  }

  __device__ void write_C(int t, std::uint32_t lane, const float (&from)[octet_size]) {
    C[(2 * t) * lanes + lane] = make_float4(from[0], from[1], from[2], from[3]);
    C[(2 * t + 1) * lanes + lane] = make_float4(from[4], from[5], from[6], from[7]);
  }
  __device__ void read_C(int t, std::uint32_t lane, float (&to)[octet_size]) const {
    memcpy(to, &C[(2 * t) * lanes + lane], sizeof(float4));
    memcpy(to + 4, &C[(2 * t + 1) * lanes + lane], sizeof(float4));
  }
};

}  // namespace ssugraph::detail::native
