#pragma once

#include "lib/device/programmatic.cuh"
#include "lib/ops/ssu/backends/native/block_place.cuh"
#include "lib/ops/ssu/backends/native/held_state.cuh"
#include "lib/ops/ssu/backends/native/recurrence.cuh"
#include "lib/ops/ssu/backends/native/ring_inputs.cuh"
#include "lib/ops/ssu/backends/native/ring_params.hpp"
#include "lib/ops/ssu/backends/native/ring_policy.hpp"
#include "lib/ops/ssu/backends/native/ring_stage.cuh"
#include "lib/ops/ssu/backends/native/rounder.cuh"
#include "lib/ops/ssu/backends/native/scaler.cuh"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/state/codec.cuh"
#include "lib/step/ring.hpp"
#include "lib/step/sequence.hpp"

#include <algorithm>
#include <cstdint>

/**
 * The native kernel for checkpointed states. A block owns a tile of rows (dim) of one head of one
 * sequence, as in `ssu_kernel`. It reads the state and the ring's live rows, multiplies the state
 * by C of each new token, and adds the inputs by weights that all of its rows share:
 *
 *     out_t = exp(L_t) (S . C_t) + sum of w_tj x_j,   w_tj = exp(L_t - L_j) dt'_j (B_j . C_t)
 *
 * New tokens are appended to the ring. Where the sequence flushes, the state becomes the checkpoint
 * of the oldest inputs and is stored. Nothing of that changes `out`.
 */
namespace ssugraph::detail::native {

/** What the tile's threads hold of a checkpoint, and what becomes of it. */
template <class V>
struct checkpoint {
  /** Rows that are in fp32 at a time: what is read of an input then serves them all. */
  static constexpr int wide_rows = V::scaled ? V::wide_rows : std::min(V::rows, max_rows_flushed);

  const ring_inputs<V>& inputs;
  held_state<V>& held;
  const float (&own_scale)[V::owned];

  /** Multiplies by C: the sum of the own row. */
  __device__ float times(const float (&C)[octet_size]) const {
    float sum[V::rows];
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      float h[octet_size];
      held.widen(r, h);
      sum[r] = inputs.product(h, C);
    }
    V::sum::reduce(sum, inputs.mine.sum_lane);
    return V::scaled ? sum[0] * own_scale[0] : sum[0];
  }

  /** Takes in the inputs that are flushed, and stores the state. */
  __device__ void flush(std::int64_t seed) {
    const ring_params& q = inputs.q;
    const tile<V>& mine = inputs.mine;
    const live_ring& ring = inputs.ring;
    const std::int64_t key =
        q.rounding_key != nullptr ? q.rounding_key[ring.slot * q.key_stride] : ring.slot;
    rounder<V> rounded{mine,
                       {seed, static_cast<std::uint32_t>(ring.position), key, q.ssu.philox_rounds}};
    rounded.draw(0);
    scaler<V> scales{mine};
#pragma unroll
    for (int first = 0; first < V::rows; first += wide_rows) {
      float h[wide_rows][octet_size];
      widen(first, h);
      add_inputs(first, h);
      if constexpr (V::scaled) scales.measure(first, h);
#pragma unroll
      for (int i = 0; i < wide_rows; ++i) {
        typename V::words word;
        if constexpr (V::scaled) {
          scales.narrow(first + i, h[i], rounded, word);
        } else {
          rounded.narrow(first + i, h[i], has_nan(h[i]), word);
        }
        held.put(first + i, word);
      }
    }
    held.write(mine, ring.slot);
    if constexpr (V::scaled) scales.write(ring.slot);
  }

 private:
  /** What is left of rows `first` on at the new checkpoint. */
  __device__ void widen(int first, float (&h)[wide_rows][octet_size]) const {
    const ring_stage& stage = inputs.stage;
    const float decay = *stage.flush_decay;
#pragma unroll
    for (int i = 0; i < wide_rows; ++i) {
      held.widen(first + i, h[i]);
      const float factor = V::scaled ? decay * V::sum::broadcast(own_scale[0], first + i) : decay;
#pragma unroll
      for (float& each : h[i])
        each *= factor;
    }
  }

  __device__ void add_inputs(int first, float (&h)[wide_rows][octet_size]) const {
    typename ring_inputs<V>::octets of_B;
    const int flush = inputs.ring.flush;
    for (int base = 0; base < flush; base += ring_octets_ahead) {
      inputs.load_B(base, 1, flush, of_B);
#pragma unroll
      for (int i = 0; i < ring_octets_ahead; ++i) {
        if (base + i < flush) add_input(base + i, of_B.word[i], first, h);
      }
    }
  }

  __device__ void add_input(int j, const typename ring_inputs<V>::octet& word, int first,
                            float (&h)[wide_rows][octet_size]) const {
    const ring_stage& stage = inputs.stage;
    float B[octet_size];
    inputs.widen_B(word, B);
    const float* x = stage.x + j * stage.tile_rows;
#pragma unroll
    for (int i = 0; i < wide_rows; ++i) {
      const float dt_x = stage.flushed[j] * x[inputs.tile_row(first + i)];
#pragma unroll
      for (int n = 0; n < octet_size; ++n)
        h[i][n] = __fmaf_rn(dt_x, B[n], h[i][n]);
    }
  }

  /** Whether any is, or maybe: opposite infinities count. */
  __device__ static bool has_nan(const float (&h)[octet_size]) {
    float sum = 0.0f;
#pragma unroll
    for (const float each : h)
      sum += each;
    return isnan(sum);
  }
};

/** `out` of token `t`, from the sum over the state. */
template <class V>
__device__ float out_of(const ring_inputs<V>& inputs, const head_parameters<V>& layer, int t,
                        float sum, typename V::io z) {
  const ring_stage& stage = inputs.stage;
  const ssu_params& p = inputs.q.ssu;
  const int last = inputs.live + t;
  const int own = inputs.tile_row(static_cast<int>(V::sum::own_row(inputs.mine.sum_lane)));
  const float* weight = stage.weight + t * stage.inputs;
  float out = stage.start_decay[t] * sum;
  for (int j = 0; j <= last; ++j)
    out = __fmaf_rn(weight[j], stage.x[j * stage.tile_rows + own], out);
  if (p.has_D)
    out = __fmaf_rn(layer.D[0].value(p.D.type), stage.x[last * stage.tile_rows + own], out);
  return p.has_z ? out * silu(z.value(p.z.type)) : out;
}

template <class V>
__global__ void __launch_bounds__(V::max_workers, ring_blocks)
    ring_kernel(const __grid_constant__ ring_params q) {
  static_assert(V::owned == 1 && V::tied && V::octets == 1, "a thread has one row and one octet");
  extern __shared__ float4 memory[];
  const ssu_params& p = q.ssu;

  // --- When the launch behind may start
  if (p.triggers_ahead) trigger_successor();
  if (!p.state_ahead) wait_and_trigger();

  // --- Which rows, which slot
  const block_place place = place_of_block(p);
  const tile<V> mine{p, place.head, place.tile};
  std::int64_t seed = p.drawn_seed;
  if (V::rounding && p.rand_seed != nullptr) seed = *p.rand_seed;
  const row_range tokens = rows_of(p, place.sequence);
  const live_ring ring =
      live_ring_of(plan_row(q.plan, place.sequence), p, q.ring_rows, tokens.length);
  const token_pointers first = mine.pointers_to(tokens.begin);
  if (ring.slot < 0 || tokens.length == 0) {
    wait_for_predecessor();
    for (int t = 0; t < tokens.length; ++t)
      mine.write_out(mine.moved(first, t).out, 0.0f);
    return;
  }

  // --- The checkpoint, and what its rows share of the inputs
  if (!p.inputs_ahead) {
    if (p.state_ahead) held_state<V>::prefetch(mine, ring.slot);
    wait_and_trigger();
  }
  held_state<V> held;
  held.read(mine, ring.slot);
  float scale[V::owned];
  mine.read_scales(ring.slot, scale);
  const head_parameters<V> layer = mine.read_parameters();
  ring_stage stage{memory, q, V::lanes, static_cast<int>(mine.groups) * V::rows};
  ring_inputs<V> inputs{q, mine, stage, ring, tokens};
  typename ring_inputs<V>::octets of_B;
  inputs.read(recurrence<V>{mine, layer}, of_B);
  __syncthreads();
  inputs.add_up_time_steps();
  inputs.multiply(of_B);
  __syncthreads();
  inputs.weigh(layer.A.value(p.A.type));
  wait_and_trigger();
  inputs.append();
  __syncthreads();

  // --- The tokens
  checkpoint<V> state{inputs, held, scale};
  for (int t = 0; t < tokens.length; ++t) {
    const token_pointers at = mine.moved(first, t);
    typename V::io z{};
    if (p.has_z) z = V::io::load(at.z, p.z.type);
    float C[octet_size];
    stage.read_C(t, mine.lane, C);
    mine.write_out(at.out, out_of(inputs, layer, t, state.times(C), z));
  }
  if (ring.flush > 0) state.flush(seed);
}

}  // namespace ssugraph::detail::native
