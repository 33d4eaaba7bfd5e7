#pragma once

#include "lib/device/element.cuh"
#include "lib/device/memory.cuh"
#include "lib/device/programmatic.cuh"
#include "lib/ops/ssu/backends/native/ssu_params.hpp"
#include "lib/ops/ssu/backends/native/variant.cuh"

#include <cstddef>
#include <cstdint>

/** A thread's share of a tile of the state: which rows, where they lie, what is read and written.
 */
namespace ssugraph::detail::native {

/** Where a token has what this thread reads and writes of it: x, z, dt and out of the first own
 * row, B and C of the group. */
struct token_pointers {
  std::byte *x, *z, *dt, *B, *C, *out;
};

/** What lies there of an own row, but for dt, */
template <class V>
struct row_inputs {
  typename V::io x, z;
};

/** and of the lane. */
template <class V>
struct octet_inputs {
  typename V::io_octets B, C;
};

/** What a layer has: A, dt_bias and D of the own rows; untied, A of all rows, 32 bits an element or
 *  two to a word. */
template <class V>
struct head_parameters {
  raw_scalar A;
  raw_scalar dt_bias[V::steps], D[V::owned];
  std::uint32_t A_rows[V::tied ? 1 : V::rows][V::columns];
};

/** One thread's share of a block's tile. */
template <class V>
struct tile {
  using layout = typename V::layout;

  const ssu_params& p;
  std::uint32_t head;
  std::uint32_t number;  ///< of the tile in its head
  /** Of the threads that share a row, over all warps, and within this warp. */
  std::uint32_t lane = warp_of_row() * V::warp_lanes + threadIdx.x % V::warp_lanes;
  std::uint32_t sum_lane = threadIdx.x % V::warp_lanes;
  /** Threads that share a row are a group. */
  std::uint32_t groups = p.workers / V::lanes;
  std::uint32_t first_row = number * groups * V::rows + group() * V::run_rows;
  bool owns_first = V::sum::owner(V::sum::own_row(sum_lane)) == sum_lane;
  bool writes_own = owns_first && warp_of_row() == 0 && exists(own_row(0));
  static_assert(V::owned == 1 || V::whole_tiles,
                "own rows behind the first are not asked whether they exist");

  /** Which of the warps that share a row this is. */
  __device__ static std::uint32_t warp_of_row() {
    return V::warps_a_row == 1 ? 0 : threadIdx.x / warp_threads % V::warps_a_row;
  }
  __device__ static std::uint32_t group() {
    if constexpr (V::warps_a_row == 1) return threadIdx.x / V::lanes;
    return threadIdx.x / (warp_threads * V::warps_a_row) * (warp_threads / V::warp_lanes) +
           threadIdx.x % warp_threads / V::warp_lanes;
  }
  /** From row to row within a run, and from a run to the next. */
  __device__ std::uint32_t rows_apart() const { return V::run_rows > 1 ? 1 : groups; }
  __device__ std::uint32_t runs_apart() const { return groups * V::run_rows; }
  __device__ std::uint32_t row(int r) const {
    if constexpr (V::run_rows == 1) return first_row + r * groups;
    return first_row + r / V::run_rows * runs_apart() + r % V::run_rows;
  }
  __device__ std::uint32_t own_row(int k) const { return row(V::sum::own_row(sum_lane) + k); }
  __device__ bool exists(std::uint32_t row) const { return V::whole_tiles || row < p.dim; }
  /** A row that can be read: beyond the last one, the last one. */
  __device__ std::uint32_t readable(std::uint32_t row) const {
    return V::whole_tiles ? row : min(row, p.dim - 1);
  }

  /** Where this thread's first row is, of those that can be read; `states`: the state, or what is
   *  written in its place. */
  __device__ std::byte* first_row_of(const strided<4>& states, std::int64_t slot) const {
    const std::uint32_t last = p.dim - V::run_rows;  // that a whole run follows
    const std::uint32_t first = V::whole_tiles ? first_row : min(first_row, last);
    return address<V::vector>(states, slot, head, first);
  }
  /** From row `r` to the next that can be read. */
  __device__ std::int64_t to_next_row(const strided<4>& states, int r) const {
    return exists(row(r + 1)) ? std::int64_t{rows_apart()} * states.stride[2] : 0;
  }

  // --- Loads, without conversions

  __device__ token_pointers pointers_to(typename V::token token) const {
    const std::uint32_t group = p.heads_per_group.quotient(head);
    const std::uint32_t d = readable(own_row(0));
    return {.x = address<V::vector>(p.x, token, head, d),
            .z = address<V::vector>(p.z, token, head, d),
            .dt = V::tied ? address<V::vector>(p.dt, token, head)
                          : address<V::vector>(p.dt, token, head, d),
            .B = address<V::vector>(p.B, token, group),
            .C = address<V::vector>(p.C, token, group),
            .out = address<V::vector>(p.out, token, head, own_row(0))};
  }
  /** `t` tokens on. */
  __device__ token_pointers moved(const token_pointers& at, std::uint32_t t) const {
    return {.x = stepped<V::vector>(at.x, t, p.x.stride[0]),
            .z = stepped<V::vector>(at.z, t, p.z.stride[0]),
            .dt = stepped<V::vector>(at.dt, t, p.dt.stride[0]),
            .B = stepped<V::vector>(at.B, t, p.B.stride[0]),
            .C = stepped<V::vector>(at.C, t, p.C.stride[0]),
            .out = stepped<V::vector>(at.out, t, p.out.stride[0])};
  }

  /** From what a tensor has of the first own row to what it has of the `k`th. */
  template <int Rank>
  __device__ std::int64_t to_own(int k, const strided<Rank>& tensor) const {
    return std::int64_t{k * rows_apart()} * tensor.stride[Rank - 1];
  }

  __device__ row_inputs<V> read_row_inputs(const token_pointers& at, int k = 0) const {
    return {V::io::load(at.x + to_own(k, p.x), p.x.type),
            V::io::load(at.z + to_own(k, p.z), p.z.type)};
  }

  __device__ raw_scalar read_dt(const token_pointers& at, int k = 0) const {
    return load_scalar(at.dt + to_own(k, p.dt), p.dt.type);
  }

  /** Where `scales` have that of `row`, or of one that can be read. */
  __device__ std::byte* scale_of_row(const strided<3>& scales, std::int64_t slot,
                                     std::uint32_t row) const {
    return address<V::vector>(scales, slot, head, readable(row));
  }
  /** Of the own rows of a scaled state. */
  __device__ void read_scales(std::int64_t slot, float (&scale)[V::owned]) const {
    if constexpr (V::scaled) {
#pragma unroll
      for (int k = 0; k < V::owned; ++k) {
        const std::byte* at = scale_of_row(p.state_scale, slot, own_row(k));
        scale[k] = *reinterpret_cast<const float*>(at);
      }
    }
  }

  __device__ octet_inputs<V> read_octets(const token_pointers& at) const {
    octet_inputs<V> in;
    load_io_octet<layout, V::io_kind>(at.B, p.B.stride[2], lane, p.dstate, p.B.type, in.B);
    load_io_octet<layout, V::io_kind>(at.C, p.C.stride[2], lane, p.dstate, p.C.type, in.C);
    return in;
  }

  __device__ head_parameters<V> read_parameters() const {
    head_parameters<V> layer;
#pragma unroll
    for (int k = 0; k < V::owned; ++k)
      layer.D[k] = load_scalar(address<V::vector>(p.D, head, readable(own_row(k))), p.D.type);
    if constexpr (V::tied) {
      layer.A = load_scalar(address<V::vector>(p.A, head), p.A.type);
      layer.dt_bias[0] = load_scalar(address<V::vector>(p.dt_bias, head), p.dt_bias.type);
    } else {
#pragma unroll
      for (int k = 0; k < V::steps; ++k) {
        layer.dt_bias[k] =
            load_scalar(address<V::vector>(p.dt_bias, head, readable(own_row(k))), p.dt_bias.type);
      }
#pragma unroll
      for (int r = 0; r < V::rows; ++r) {
        const std::byte* at = address<V::vector>(p.A, head, readable(row(r)));
        load_io_octet<layout, io_width::any>(at, p.A.stride[2], lane, p.dstate, p.A.type,
                                             layer.A_rows[r]);
      }
    }
    return layer;
  }

  // --- Stores

  __device__ void write_out(std::byte* at, float value) const {
    if (writes_own) V::io::store(at, p.out.type, value);
  }

  /** All that becomes of a null sequence of one token. */
  __device__ void leave_null(typename V::token token) const {
    wait_for_predecessor();
    const token_pointers at = pointers_to(token);
    for (int k = 0; k < V::owned; ++k)
      write_out(at.out + to_own(k, p.out), 0.0f);
  }
};

}  // namespace ssugraph::detail::native
