#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/device/element.cuh"
#include "lib/device/memory.cuh"
#include "lib/ops/ssu/backends/native/recurrence.cuh"
#include "lib/ops/ssu/backends/native/ring_params.hpp"
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
  __device__ std::byte* x_of(int j, std::uint32_t d) const {
    return j < live ? address<V::vector>(q.x_ring, ring.slot, mine.head, ring_row(j), d)
                    : address<V::vector>(q.ssu.x, token(j), mine.head, d);
  }
  __device__ void read_B(int j, float (&B)[octet_size]) const {
    const bool is_live = j < live;
    const std::byte* at = is_live ? address<V::vector>(q.B_ring, ring.slot, group, ring_row(j))
                                  : address<V::vector>(q.ssu.B, token(j), group);
    read_octet(at, is_live ? q.B_ring.stride[3] : q.ssu.B.stride[2], q.ssu.B.type, B);
  }
  __device__ void read_C(int t, float (&C)[octet_size]) const {
    const std::byte* at = address<V::vector>(q.ssu.C, tokens.begin + t, group);
    read_octet(at, q.ssu.C.stride[2], q.ssu.C.type, C);
  }
  /** The row of the tile that row `r` of this thread is. */
  __device__ int tile_row(int r) const {
    return static_cast<int>(mine.row(r) - mine.number * mine.groups * V::rows);
  }

  // --- Into shared memory

  /** C, time steps and x: what the tile's threads share. */
  __device__ void read(const recurrence<V>& layer) {
    for (int t = static_cast<int>(mine.group()); t < tokens.length;
         t += static_cast<int>(mine.groups)) {
      float C[octet_size];
      read_C(t, C);
      stage.write_C(t, mine.lane, C);
    }
    for (int j = static_cast<int>(threadIdx.x); j < count; j += threads)
      stage.dt[j] = time_step_of(j, layer);
    const std::uint32_t first = mine.number * static_cast<std::uint32_t>(stage.tile_rows);
    for (int i = static_cast<int>(threadIdx.x); i < count * stage.tile_rows; i += threads) {
      const int j = i / stage.tile_rows;
      const std::uint32_t d =
          mine.readable(first + static_cast<std::uint32_t>(i % stage.tile_rows));
      stage.x[i] = load_scalar(x_of(j, d), q.ssu.x.type).value(q.ssu.x.type);
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

  /** B . C of each input and each token that sees it. */
  __device__ void multiply() {
    const int groups = static_cast<int>(mine.groups);
    for (int base = 0; base < count; base += groups) {
      const int j = base + static_cast<int>(mine.group());
      float B[octet_size];
      read_B(min(j, count - 1), B);
      for (int t = max(base - live, 0); t < tokens.length; ++t) {
        float C[octet_size];
        stage.read_C(t, mine.lane, C);
        float dot[1] = {product(B, C)};
        row_sum<V::warp_lanes, 1>::reduce(dot, mine.sum_lane);
        if (mine.sum_lane == 0 && j < count) stage.weight[t * stage.inputs + j] = dot[0];
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
        store_scalar(address<V::vector>(q.x_ring, ring.slot, mine.head, row, d), q.ssu.x.type,
                     load_scalar(x_of(j, d), q.ssu.x.type));
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

  __device__ void read_octet(const std::byte* at, std::int64_t stride, dtype type,
                             float (&to)[octet_size]) const {
    typename V::io_octets word;
    load_io_octet<typename V::layout, V::io_kind>(at, stride, mine.lane, q.ssu.dstate, type, word);
    widen<V::io_kind>(word, type, to);
  }
};

}  // namespace ssugraph::detail::native
