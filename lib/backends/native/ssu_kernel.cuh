#pragma once

#include "lib/backends/native/programmatic.cuh"
#include "lib/backends/native/sequence.cuh"
#include "lib/backends/native/tile.cuh"

#include <cstdint>

/**
 * The native SSU kernel for one token a sequence. A block owns a tile of rows (dim) of one head of
 * one sequence; `lanes` neighbouring threads share a row, each holding eight elements of dstate, in
 * `rows` rows at once. Memory is touched once: state and inputs in, state and `out` out.
 *
 * Each thread *owns* one of its rows, two or more the same where there are more lanes than rows:
 * they alone read what that row has a scalar of (x, z, dt, D) and get its sum over dstate; the
 * first of them writes its `out`.
 */
namespace ssugraph::detail {

template <class V>
__global__ void __launch_bounds__(max_block_threads) __maxnreg__(V::max_registers)
    ssu_kernel(const __grid_constant__ ssu_params p) {
  const bool only_waits = threadIdx.x >= workers();
  if (only_waits || !p.state_ahead) {
    wait_for_predecessor();
    trigger_successor();
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
    if (p.state_ahead) mine.prefetch_state(source);
    wait_for_predecessor();
  }
  const token_pointers at = mine.pointers_to(place.sequence);
  const row_inputs<V> in = mine.read_row_inputs(at);
  const octet_inputs<V> of_group = mine.read_octets(at);
  const head_parameters<V> layer = mine.read_parameters();
  typename V::octet raw[V::rows];
  mine.read_state(source, raw);
  const std::int64_t slot = destination_slot(p, place.sequence, source, 0, 1);
  rounder<V> rounded{mine, {seed, 0, source, p.philox_rounds}};
  rounded.draw(0);

  // --- The token; only its stores wait
  const time_step step = mine.step_of(in.dt, layer);
  const float x = in.x.value(p.x.type);
  float B[octet_size];
  float C[octet_size];
  widen<V::wide_io>(of_group.B, p.B.type, B);
  widen<V::wide_io>(of_group.C, p.C.type, C);
  float h[1][octet_size];
  const float sum = mine.update(
      B, C, step.decay, layer, [&](int r) { return V::sum::broadcast(step.dt, r); },
      [&](int r) { return V::sum::broadcast(step.dt * x, r); }, h,
      [&](int r) { widen<typename V::state>(raw[r], h[0]); },
      [&](int r, float part) { rounded.narrow(r, h[0], isnan(part), raw[r]); });
  float out = p.has_D ? __fmaf_rn(layer.D.value(p.D.type), x, sum) : sum;
  if (p.has_z) out *= silu(in.z.value(p.z.type));

  wait_for_predecessor();
  if (slot >= 0) {
    std::byte* to = mine.first_row_of(slot);
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      mine.write_row(r, to, raw[r]);
      to += mine.to_next_row(r);
    }
  }
  mine.write_out(mine.pointers_to(place.sequence).out, out);
}

}  // namespace ssugraph::detail
