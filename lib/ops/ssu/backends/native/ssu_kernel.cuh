#pragma once

#include "lib/device/programmatic.cuh"
#include "lib/ops/ssu/backends/native/block_place.cuh"
#include "lib/ops/ssu/backends/native/held_state.cuh"
#include "lib/ops/ssu/backends/native/recurrence.cuh"
#include "lib/ops/ssu/backends/native/rounder.cuh"
#include "lib/ops/ssu/backends/native/scaler.cuh"
#include "lib/ops/ssu/backends/native/shared_rows.cuh"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/state/codec.cuh"
#include "lib/step/sequence.hpp"

#include <cstdint>

/**
 * The native SSU kernel for one token a sequence. A block owns a tile of rows (dim) of one head of
 * one sequence; `lanes` threads, neighbours or along dim of several warps, share a row, each
 * holding eight elements of dstate, in `rows` rows at once. Memory is touched once: state and
 * inputs in, state and `out` out.
 *
 * Each thread *owns* one of its rows, two or more the same where there are more lanes than rows
 * (and one thread several where there are fewer): they alone read what that row has a scalar of (x,
 * z, dt, D) and get its sum over dstate; the first of them writes its `out`.
 *
 * Only the stores wait for the launch in front. Where the launch behind may not start before that
 * wait either, one more warp does nothing but wait and trigger, while the others load and compute.
 */
namespace ssugraph::detail::native {

/** What `recurrence::update` asks of a token: each row's comes from the thread that owns it. */
template <class V>
struct own_scalars {
  static constexpr bool has_scale = V::scaled;
  const time_step (&step)[V::steps];
  const float (&own_dt_x)[V::owned];
  const float (&own_scale)[V::owned];

  __device__ float dt(int r) const { return V::sum::broadcast(step[r % V::steps].dt, r); }
  __device__ float dt_x(int r) const { return V::sum::broadcast(own_dt_x[r % V::owned], r); }
  __device__ float scale(int r) const { return V::sum::broadcast(own_scale[r % V::owned], r); }
};

template <class V>
__global__ void __launch_bounds__(V::max_workers + waiting_threads) __maxnreg__(V::max_registers)
    ssu_kernel(const __grid_constant__ ssu_params p) {
  // --- When the launch behind may start
  if (p.triggers_ahead) trigger_successor();
  const bool only_waits = threadIdx.x >= p.workers;
  if (only_waits || !p.state_ahead) {
    wait_and_trigger();
    if (only_waits) return;
  }

  // --- Which rows, which slot
  const block_place place = place_of_block(p);
  const tile<V> mine{p, place.head, place.tile};
  std::int64_t seed = p.drawn_seed;
  if (V::rounding && p.rand_seed != nullptr) seed = *p.rand_seed;
  const std::int64_t source = source_slot(p, place.sequence);
  if (source < 0) return mine.leave_null(place.sequence);

  // --- All loads, before the first is used
  if (!p.inputs_ahead) {
    if (p.state_ahead) held_state<V>::prefetch(mine, source);
    wait_for_predecessor();
  }
  const token_pointers at = mine.pointers_to(place.sequence);
  row_inputs<V> in[V::owned];
  raw_scalar dt[V::steps];
#pragma unroll
  for (int k = 0; k < V::owned; ++k)
    in[k] = mine.read_row_inputs(at, k);
#pragma unroll
  for (int k = 0; k < V::steps; ++k)
    dt[k] = mine.read_dt(at, k);
  const octet_inputs<V> of_group = mine.read_octets(at);
  const head_parameters<V> layer = mine.read_parameters();
  held_state<V> held;
  held.read(mine, source);
  float scale[V::owned];
  mine.read_scales(source, scale);
  const std::int64_t slot = destination_slot(p, place.sequence, source, 0, 1);
  rounder<V> rounded{mine, {seed, 0, source, p.philox_rounds}};
  rounded.draw(0);

  // --- The token
  const recurrence<V> of_layer{mine, layer};
  time_step step[V::steps];
#pragma unroll
  for (int k = 0; k < V::steps; ++k)
    step[k] = of_layer.step_of(dt[k], k);
  float x[V::owned];
  float dt_x[V::owned];
#pragma unroll
  for (int k = 0; k < V::owned; ++k) {
    x[k] = in[k].x.value(p.x.type);
    dt_x[k] = step[k % V::steps].dt * x[k];
  }
  const own_scalars<V> token{step, dt_x, scale};
  float B[V::columns], C[V::columns];
  widen<V::io_kind>(of_group.B, p.B.type, B);
  widen<V::io_kind>(of_group.C, p.C.type, C);
  float sum[V::rows];
  float h[V::wide_rows][V::columns];
  scaler<V> scales{mine};
  of_layer.update(
      step[0].decay, token, B, C, h, [&](int r) { held.widen(r, h[r % V::wide_rows]); },
      [&](int r, float part) {
        if constexpr (!V::scaled) {
          typename V::words word;
          rounded.narrow(r, h[0], isnan(part), word);
          held.put(r, word);
        } else if ((r + 1) % V::wide_rows == 0) {
          const int first = r + 1 - V::wide_rows;
          scales.measure(first, h);
#pragma unroll
          for (int i = 0; i < V::wide_rows; ++i) {
            typename V::words word;
            scales.narrow(first + i, h[i], rounded, word);
            held.put(first + i, word);
          }
        }
      },
      sum);
  if constexpr (V::warps_a_row > 1) {
    __shared__ shared_rows<V> all_lanes;
    all_lanes.add_up(mine, sum);
  }
  float out[V::owned];
#pragma unroll
  for (int k = 0; k < V::owned; ++k) {
    out[k] = p.has_D ? __fmaf_rn(layer.D[k].value(p.D.type), x[k], sum[k]) : sum[k];
    if (p.has_z) out[k] *= silu(in[k].z.value(p.z.type));
  }

  // --- The stores
  wait_for_predecessor();
  if (slot >= 0) {
    held.write(mine, slot);
    if constexpr (V::scaled) scales.write(slot);
  }
  std::byte* to = mine.pointers_to(place.sequence).out;
#pragma unroll
  for (int k = 0; k < V::owned; ++k)
    mine.write_out(to + mine.to_own(k, p.out), out[k]);
}

}  // namespace ssugraph::detail::native
