#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/ops/ssu/backends/native/block_place.cuh"
#include "lib/ops/ssu/backends/native/held_state.cuh"
#include "lib/ops/ssu/backends/native/recurrence.cuh"
#include "lib/ops/ssu/backends/native/rounder.cuh"
#include "lib/ops/ssu/backends/native/scaler.cuh"
#include "lib/ops/ssu/backends/native/shared_rows.cuh"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/ops/ssu/backends/native/token_stage.cuh"
#include "lib/ops/ssu/backends/native/token_stager.cuh"
#include "lib/state/codec.cuh"
#include "lib/step/sequence.hpp"

#include <cstdint>

/**
 * The native SSU kernel for sequences of several tokens. As `ssu_kernel`, but the state stays in
 * registers, in fp32, from the first token to the last, and what the tokens bring is staged in
 * shared memory, a few tokens at a time: read, widened and turned into what the update takes once a
 * block, not once a warp.
 */
namespace ssugraph::detail::native {

template <class V>
__global__ void __launch_bounds__(V::max_workers) __maxnreg__(V::max_registers)
    ssu_tokens_kernel(const __grid_constant__ ssu_params p) {
  static_assert(sizeof(token_stage<V>) <= max_static_shared_bytes,
                "a block has no more shared memory unless its launch asks for it");
  static_assert(V::octets == 1, "what is staged of a lane is an octet");
  static_assert(V::rows <= 32, "each row has a bit in `nans`");
  __shared__ token_stage<V> stage;

  // --- When the launch behind may start
  if (p.triggers_ahead) trigger_successor();
  if (!p.state_ahead) wait_and_trigger();

  // --- Which rows, which slot
  const block_place place = place_of_block(p);
  const tile<V> mine{p, place.head, place.tile};
  std::int64_t seed = p.drawn_seed;
  if (V::rounding && p.rand_seed != nullptr) seed = *p.rand_seed;
  const std::int64_t source = source_slot(p, place.sequence);
  const row_range tokens = rows_of(p, place.sequence);
  const token_pointers first = mine.pointers_to(tokens.begin);
  if (source < 0 || tokens.length == 0) {
    wait_for_predecessor();
    for (int t = 0; t < tokens.length; ++t)
      mine.write_out(mine.moved(first, t).out, 0.0f);
    return;
  }

  // --- The state and the first tokens, all loads before the first is used
  if (!p.inputs_ahead) {
    if (p.state_ahead) held_state<V>::prefetch(mine, source);
    wait_and_trigger();
  }
  const head_parameters<V> layer = mine.read_parameters();
  const recurrence<V> of_layer{mine, layer};
  token_stager<V> stager{mine, stage, place.sequence, source, tokens, first};
  held_state<V> held;
  float scale[V::owned];
  stager.fill_first(of_layer, [&] {
    held.read(mine, source);
    mine.read_scales(source, scale);
  });
  float h[V::rows][octet_size];
#pragma unroll
  for (int r = 0; r < V::rows; ++r) {
    held.widen(r, h[r]);
    if constexpr (V::scaled) {
      const float of_row = V::sum::broadcast(scale[r % V::owned], r);
#pragma unroll
      for (float& each : h[r])
        each *= of_row;
    }
  }
  __syncthreads();
  wait_and_trigger();

  // --- The tokens
  rounder<V> rounded{mine, {seed, 0, source, p.philox_rounds}};
  scaler<V> scales{mine};
  const float D = layer.D[0].value(p.D.type);
  for (int t = 0; t < tokens.length; ++t) {
    const int at = t % staged_tokens;
    if (at == 0 && t > 0) {
      __syncthreads();
      stager.fill(t, of_layer);
      __syncthreads();
    }
    const staged_scalars<V> token{stage, stager, at};
    float B[octet_size], C[octet_size];
    stage.B.read(at, mine.lane, B);
    stage.C.read(at, mine.lane, C);
    std::uint32_t nans = 0;
    float sum[V::rows];
    of_layer.update(
        stage.decay[at], token, B, C, h, [](int) {},
        [&](int r, float part) { nans |= static_cast<std::uint32_t>(isnan(part)) << r; }, sum);
    if constexpr (V::warps_a_row > 1) {
      // By turns, so that the sums of the last token may still be read.
      __shared__ shared_rows<V> all_lanes[2];
      all_lanes[t % 2].add_up(mine, sum);
    }
    const std::int64_t slot = stage.slot[at];
    if (slot >= 0) {
      rounded.from.t = static_cast<std::uint32_t>(t);
      held.write(mine, slot, [&](int r, typename V::words& word) {
        if (r == 0) rounded.draw(0);  // behind the address: its words would wait for that, spilled
        if constexpr (V::scaled) {
          if (r % V::wide_rows == 0) scales.measure(r, h + r);
          scales.narrow(r, h[r], rounded, word);
        } else {
          rounded.narrow(r, h[r], (nans >> r & 1u) != 0, word);
        }
      });
      if constexpr (V::scaled) scales.write(slot);
    }
    const float x = stage.x[at][stager.own];
    float out = p.has_D ? __fmaf_rn(D, x, sum[0]) : sum[0];
    if (p.has_z) out *= stage.gate[at][stager.own];
    mine.write_out(mine.moved(first, t).out, out);
  }
}

}  // namespace ssugraph::detail::native
