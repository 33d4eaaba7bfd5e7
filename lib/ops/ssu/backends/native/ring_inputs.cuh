#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/device/element.cuh"
#include "lib/device/memory.cuh"
#include "lib/ops/ssu/backends/native/recurrence.cuh"
#include "lib/ops/ssu/backends/native/ring_params.hpp"
#include "lib/ops/ssu/backends/native/ring_policy.hpp"
#include "lib/ops/ssu/backends/native/ring_stage.cuh"
#include "lib/ops/ssu/backends/native/tile.cuh"
#include "lib/state/codec.cuh"
#include "lib/step/ring.hpp"

#include <cub/warp/warp_scan.cuh>

#include <cstdint>

namespace ssugraph::detail::native {

/** The inputs of one sequence in one head: where they lie, in the ring and among the tokens, and
 *  what the block stages of them. Dead rows of the ring are not read. */
template <class V>
struct ring_inputs {
  const ring_params& q;
  const tile<V>& mine;
  ring_stage& stage;
  live_ring ring;
  row_range tokens;

  std::uint32_t group = q.ssu.heads_per_group.quotient(mine.head);
  int live = ring.count;
  int count = ring.count + tokens.length;
  int threads = static_cast<int>(q.ssu.workers);

  // --- Where input `j` lies

  __device__ std::uint32_t ring_row(int j) const {
    return static_cast<std::uint32_t>(ring.row(j, q.ring_rows));
  }
  __device__ std::int64_t token(int j) const { return tokens.begin + (j - live); }
  /** The row of the tile that row `r` of this thread is. */
  __device__ int tile_row(int r) const {
    return static_cast<int>(mine.row(r) - mine.number * mine.groups * V::rows);
  }

  // --- B and C: the lane's octets, loads apart from conversions

  using octet = typename V::io_octets;
  /** Of several inputs, so that their loads are in flight together. */
  struct octets {
    octet word[ring_octets_ahead];
  };

  __device__ void load_B(int j, octet& word) const {
    const bool is_live = j < live;
    const std::byte* at = is_live ? address<V::vector>(q.B_ring, ring.slot, group, ring_row(j))
                                  : address<V::vector>(q.ssu.B, token(j), group);
    load(at, is_live ? q.B_ring.stride[3] : q.ssu.B.stride[2], q.ssu.B.type, word);
  }
  /** Of inputs `first`, and of others behind it, `apart` from one to the next. */
  __device__ void load_B(int first, int apart, int end, octets& of) const {
#pragma unroll
    for (int i = 0; i < ring_octets_ahead; ++i) {
      if (first + i * apart < end) load_B(min(first + i * apart, count - 1), of.word[i]);
    }
  }
  __device__ void widen_B(const octet& word, float (&B)[octet_size]) const {
    widen<V::io_kind>(word, q.ssu.B.type, B);
  }

  // --- Into shared memory

  /** C, time steps and x: what the tile's threads share. `of_B` get the first octets of B. */
  __device__ void read(const recurrence<V>& layer, octets& of_B) {
    const int first_token = static_cast<int>(mine.group());
    octet C;
    load_B_of_groups(0, of_B);
    if (first_token < tokens.length) load_C(first_token, C);
    raw_scalar x[ring_values_ahead];
    load_x(0, x);
    for (int j = static_cast<int>(threadIdx.x); j < count; j += threads)
      stage.dt[j] = time_step_of(j, layer);
    for (int t = first_token; t < tokens.length; t += static_cast<int>(mine.groups)) {
      if (t > first_token) load_C(t, C);
      float wide[octet_size];
      widen<V::io_kind>(C, q.ssu.C.type, wide);
      stage.write_C(t, mine.lane, wide);
    }
    keep_x(0, x);
    for (int base = x_batch; base < count; base += x_batch) {
      load_x(base, x);
      keep_x(base, x);
    }
  }

  /** The sums of time steps, by the first warp, in an order that depends on nothing but the place
   *  of an input. */
  __device__ void add_up_time_steps() {
    if (threadIdx.x >= warp_threads) return;
    constexpr int share = max_ring_rows / warp_threads;
    __shared__ typename cub::WarpScan<double>::TempStorage storage;
    const int first = static_cast<int>(threadIdx.x) * share;
    float dt[share];
    double sum = 0.0;
#pragma unroll
    for (int i = 0; i < share; ++i) {
      dt[i] = first + i < count ? stage.dt[first + i] : 0.0f;
      sum += dt[i];
    }
    double before = 0.0;
    cub::WarpScan<double>{storage}.ExclusiveSum(sum, before);
#pragma unroll
    for (int i = 0; i < share; ++i) {
      before += dt[i];
      if (first + i < count) stage.sum_dt[first + i] = before;
    }
  }

  /** B . C of each input and each token that sees it. `of_B`: those that `read` has read. */
  __device__ void multiply(octets& of_B) {
    const int groups = static_cast<int>(mine.groups);
    for (int base = 0; base < count; base += ring_octets_ahead * groups) {
      if (base > 0) load_B_of_groups(base, of_B);
#pragma unroll
      for (int i = 0; i < ring_octets_ahead; ++i) {
        if (base + i * groups < count) multiply(base + i * groups, of_B.word[i]);
      }
    }
  }

  /** All factors, of the decay A of the head. */
  __device__ void weigh(float A) {
    const auto decay = [&](int last, int j) {
      return expf(A * static_cast<float>(stage.sum_dt[last] - stage.sum_dt[j])) * stage.dt[j];
    };
    for (int i = static_cast<int>(threadIdx.x); i < tokens.length * count; i += threads) {
      const int t = i / count;
      const int j = i % count;
      if (j <= live + t) stage.weight[t * stage.inputs + j] *= decay(live + t, j);
    }
    for (int t = static_cast<int>(threadIdx.x); t < tokens.length; t += threads)
      stage.start_decay[t] = expf(A * static_cast<float>(stage.sum_dt[live + t]));
    for (int j = static_cast<int>(threadIdx.x); j < ring.flush; j += threads)
      stage.flushed[j] = decay(ring.flush - 1, j);
    if (threadIdx.x == 0 && ring.flush > 0)
      *stage.flush_decay = expf(A * static_cast<float>(stage.sum_dt[ring.flush - 1]));
  }

  /** This thread's part of a product over dstate. */
  __device__ float product(const float (&a)[octet_size], const float (&b)[octet_size]) const {
    using layout = typename V::layout;
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
      // Past the end of the row there is nothing to add, not even zero times infinity.
      sum = layout::holds(mine.lane, i, q.ssu.dstate) ? __fmaf_rn(a[i], b[i], sum) : sum;
    }
    return sum;
  }

  // --- Into the ring

  /** The new tokens, bit for bit: x of the tile, B once a group, dt' once a head. Reads x again, so
   *  that whoever writes `out` on it waits for all threads. */
  __device__ void append() const {
    const std::uint32_t first = mine.number * static_cast<std::uint32_t>(stage.tile_rows);
    const bool writes_B = mine.number == 0 && mine.head == group * q.ssu.heads_per_group.divisor();
    for (int t = 0; t < tokens.length; ++t) {
      const int j = live + t;
      const std::uint32_t row = ring_row(j);
      for (int i = static_cast<int>(threadIdx.x); i < stage.tile_rows; i += threads) {
        const std::uint32_t d = first + static_cast<std::uint32_t>(i);
        if (!mine.exists(d)) continue;
        store_scalar(
            address<V::vector>(q.x_ring, ring.slot, mine.head, row, d), q.ssu.x.type,
            load_scalar(address<V::vector>(q.ssu.x, token(j), mine.head, d), q.ssu.x.type));
      }
      if (mine.number == 0 && threadIdx.x == 0) {
        *reinterpret_cast<float*>(address<V::vector>(q.dt_ring, ring.slot, mine.head, row)) =
            stage.dt[j];
      }
      for (std::uint32_t n = threadIdx.x; writes_B && n < q.ssu.dstate;
           n += static_cast<std::uint32_t>(threads)) {
        store_scalar(address<V::vector>(q.B_ring, ring.slot, group, row, n), q.ssu.B.type,
                     load_scalar(address<V::vector>(q.ssu.B, token(j), group, n), q.ssu.B.type));
      }
    }
  }

 private:
  __device__ float time_step_of(int j, const recurrence<V>& layer) const {
    if (j < live) {
      return *reinterpret_cast<const float*>(
          address<V::vector>(q.dt_ring, ring.slot, mine.head, ring_row(j)));
    }
    const std::byte* at = address<V::vector>(q.ssu.dt, token(j), mine.head);
    return layer.step_of(load_scalar(at, q.ssu.dt.type)).dt;
  }

  __device__ void load(const std::byte* at, std::int64_t stride, dtype type, octet& word) const {
    load_io_octet<typename V::layout, V::io_kind>(at, stride, mine.lane, q.ssu.dstate, type, word);
  }
  __device__ void load_C(int t, octet& word) const {
    load(address<V::vector>(q.ssu.C, tokens.begin + t, group), q.ssu.C.stride[2], q.ssu.C.type,
         word);
  }
  /** Of inputs `base` on, one a group at a time. */
  __device__ void load_B_of_groups(int base, octets& of) const {
    const int groups = static_cast<int>(mine.groups);
    load_B(base + static_cast<int>(mine.group()), groups, count + static_cast<int>(mine.group()),
           of);
  }

  /** B . C of inputs `base` on, one a group. */
  __device__ void multiply(int base, const octet& word) {
    const int j = base + static_cast<int>(mine.group());
    float B[octet_size];
    widen_B(word, B);
    for (int t = max(base - live, 0); t < tokens.length; ++t) {
      float C[octet_size];
      stage.read_C(t, mine.lane, C);
      float dot[1] = {product(B, C)};
      row_sum<V::warp_lanes, 1>::reduce(dot, mine.sum_lane);
      if (mine.sum_lane == 0 && j < count) stage.weight[t * stage.inputs + j] = dot[0];
    }
  }

  // x: a thread has one row of the tile, which it shares with a few others by inputs.

  static constexpr int sharers = V::lanes / V::rows;
  static constexpr int x_batch = sharers * ring_values_ahead;
  static_assert(V::lanes % V::rows == 0, "a block has threads for each row of its tile");

  __device__ int own_tile_row() const {
    return static_cast<int>(threadIdx.x) % stage.tile_rows;
  }
  __device__ int first_input() const {
    return static_cast<int>(threadIdx.x) / stage.tile_rows;
  }

  __device__ void load_x(int base, raw_scalar (&x)[ring_values_ahead]) const {
    const std::uint32_t d =
        mine.readable(mine.number * static_cast<std::uint32_t>(stage.tile_rows) + own_tile_row());
    std::byte* const of_ring = stepped<V::vector>(
        address<V::vector>(q.x_ring, ring.slot, mine.head), d, q.x_ring.stride[3]);
    std::byte* const of_tokens = address<V::vector>(q.ssu.x, tokens.begin, mine.head, d);
#pragma unroll
    for (int i = 0; i < ring_values_ahead; ++i) {
      if (base + i * sharers >= count) continue;
      const int j = min(base + i * sharers + first_input(), count - 1);
      const std::byte* at =
          j < live ? stepped<V::vector>(of_ring, ring_row(j), q.x_ring.stride[2])
                   : stepped<V::vector>(of_tokens, static_cast<std::uint32_t>(j - live),
                                        q.ssu.x.stride[0]);
      x[i] = load_scalar(at, q.ssu.x.type);
    }
  }
  __device__ void keep_x(int base, const raw_scalar (&x)[ring_values_ahead]) const {
#pragma unroll
    for (int i = 0; i < ring_values_ahead; ++i) {
      const int j = base + i * sharers + first_input();
      if (j < count) stage.x[j * stage.tile_rows + own_tile_row()] = x[i].value(q.ssu.x.type);
    }
  }
};

}  // namespace ssugraph::detail::native
