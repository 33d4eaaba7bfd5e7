#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/backends/native/recurrence.cuh"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/ops/ssu/backends/native/token_stage.cuh"
#include "lib/state/codec.cuh"
#include "lib/step/sequence.hpp"

#include <cstdint>

namespace ssugraph::detail::native {

/** One thread's part in filling the stage: of its own row, and of the octets of its lane, every few
 *  tokens; where tied, the time step of one token, which it passes to the others of its warp. */
template <class V>
struct token_stager {
  static_assert(V::owned == 1, "a thread stages one row, which others may own as well");
  static_assert(staged_tokens <= min_workers, "a thread a token reads the slots");
  static_assert(warp_threads % staged_tokens == 0,
                "every warp makes the time steps of all tokens that are staged");

  // --- Who does what

  /** Threads that own the same row, and the rounds in which they serve all tokens. */
  static constexpr int owners_a_warp = V::warp_lanes / V::rows;
  static constexpr int owners = owners_a_warp * V::warps_a_row;
  static constexpr int row_rounds = (staged_tokens + owners - 1) / owners;
  static constexpr int step_rounds = V::tied ? 1 : row_rounds;
  static constexpr int min_groups = min_workers / V::lanes;
  static constexpr int octet_rounds = (staged_tokens + min_groups - 1) / min_groups;

  const tile<V>& mine;
  token_stage<V>& stage;
  std::uint32_t sequence;
  std::int64_t source;
  row_range tokens;
  token_pointers first;

  int groups = static_cast<int>(mine.groups);
  int group = static_cast<int>(mine.group());
  int first_row = group * V::rows;
  int own = first_row + static_cast<int>(V::sum::own_row(mine.sum_lane));
  int owner = static_cast<int>(V::sum::rank(mine.sum_lane) + mine.warp_of_row() * owners_a_warp);

  int begin = 0;  ///< the first token that is staged
  int staged = 0;

  /** Where row `r` of this thread lies. */
  __device__ int row(int r) const { return first_row + r; }

  // --- Whole stages

  /** Stages the first tokens: reads all, then calls `meanwhile`, then writes the stage. */
  template <class Meanwhile>
  __device__ void fill_first(const recurrence<V>& layer, Meanwhile meanwhile) {
    staged = min(staged_tokens, tokens.length);
    row_inputs<V> of_row[row_rounds];
    raw_scalar dt[step_rounds];
    octet_inputs<V> of_lane[octet_rounds];
#pragma unroll
    for (int i = 0; i < step_rounds; ++i) {
      if (V::tied || i * owners < staged) dt[i] = mine.read_dt(at(token_of_step(i)));
    }
#pragma unroll
    for (int i = 0; i < row_rounds; ++i) {
      if (i * owners < staged) of_row[i] = read_row(i);
    }
#pragma unroll
    for (int i = 0; i < octet_rounds; ++i) {
      if (i * groups < staged) of_lane[i] = read_octets(i);
    }
    const std::int64_t slot = read_slot();
    meanwhile();
    time_step step = layer.step_of(dt[0]);
    if (V::tied) keep_decay(step);
#pragma unroll
    for (int i = 0; i < row_rounds; ++i) {
      if (i * owners < staged) {
        if (!V::tied && i > 0) step = layer.step_of(dt[i]);
        keep_row(i, of_row[i], step);
      }
    }
#pragma unroll
    for (int i = 0; i < octet_rounds; ++i) {
      if (i * groups < staged) keep_octets(i, of_lane[i]);
    }
    keep_slot(slot);
  }

  /** Stages tokens `from`..., in few registers. */
  __device__ void fill(int from, const recurrence<V>& layer) {
    begin = from;
    staged = min(staged_tokens, tokens.length - from);
    time_step step;
    if (V::tied) {
      step = read_step(0, layer);
      keep_decay(step);
    }
#pragma unroll 1
    for (int i = 0; i * owners < staged; ++i) {
      if (!V::tied) step = read_step(i, layer);
      keep_row(i, read_row(i), step);
    }
#pragma unroll 1
    for (int i = 0; i * groups < staged; ++i)
      keep_octets(i, read_octets(i));
    keep_slot(read_slot());
  }

 private:
  // --- Which token

  /** Of the staged tokens; past the last one, of the last one. */
  __device__ token_pointers at(int t) const {
    return mine.moved(first, begin + min(t, staged - 1));
  }

  // --- Time steps

  /** The token whose time step this thread makes. */
  __device__ int token_of_step(int round) const {
    return V::tied ? static_cast<int>(threadIdx.x % staged_tokens) : owner + round * owners;
  }
  __device__ time_step read_step(int round, const recurrence<V>& layer) const {
    return layer.step_of(mine.read_dt(at(token_of_step(round))));
  }
  __device__ void keep_decay(const time_step& step) const {
    if (static_cast<int>(threadIdx.x) < staged) stage.decay[threadIdx.x] = step.decay;
  }

  // --- x, z and dt, of the own row

  __device__ row_inputs<V> read_row(int round) const {
    return mine.read_row_inputs(at(owner + round * owners));
  }
  /** `step`: what this thread made. All threads of the warp take part. */
  __device__ void keep_row(int round, const row_inputs<V>& in, const time_step& step) const {
    const int t = owner + round * owners;
    const float dt = V::tied ? __shfl_sync(whole_warp, step.dt, t) : step.dt;
    if (t >= staged) return;
    const float x = in.x.value(mine.p.x.type);
    stage.x[t][own] = x;
    stage.dt_x[t][own] = dt * x;
    if (mine.p.has_z) stage.gate[t][own] = silu(in.z.value(mine.p.z.type));
    if constexpr (!V::tied) stage.dt[t][own] = dt;
  }

  // --- B and C, of the lane

  __device__ octet_inputs<V> read_octets(int round) const {
    return mine.read_octets(at(group + round * groups));
  }
  __device__ void keep_octets(int round, const octet_inputs<V>& in) const {
    const int t = group + round * groups;
    if (t >= staged) return;
    float wide[octet_size];
    widen<V::io_kind>(in.B, mine.p.B.type, wide);
    stage.B.write(t, mine.lane, wide);
    widen<V::io_kind>(in.C, mine.p.C.type, wide);
    stage.C.write(t, mine.lane, wide);
  }

  // --- Slots, a thread a token

  __device__ std::int64_t read_slot() const {
    const int t = static_cast<int>(threadIdx.x);
    if (t >= staged) return -1;
    return destination_slot(mine.p, sequence, source, begin + t, tokens.length);
  }
  __device__ void keep_slot(std::int64_t slot) const {
    if (static_cast<int>(threadIdx.x) < staged) stage.slot[threadIdx.x] = slot;
  }
};

/** What `recurrence::update` asks of a token: that of token `at` of the stage. Members that are
 *  copies instead of references make other code. */
template <class V>
struct staged_scalars {
  static constexpr bool has_scale = false;  // h was scaled before the first token
  const token_stage<V>& stage;
  const token_stager<V>& stager;
  const int& at;

  __device__ float dt(int r) const { return stage.dt[at][stager.row(r)]; }
  __device__ float dt_x(int r) const { return stage.dt_x[at][stager.row(r)]; }
};

}  // namespace ssugraph::detail::native
