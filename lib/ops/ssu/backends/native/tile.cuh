#pragma once

#include "lib/device/element.cuh"
#include "lib/device/memory.cuh"
#include "lib/device/programmatic.cuh"
#include "lib/device/row_sum.cuh"
#include "lib/ops/ssu/backends/native/kernels.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"
#include "lib/ops/ssu/backends/native/ssu_params.hpp"
#include "lib/state/codec.cuh"
#include "lib/state/rounding_bits.cuh"

#include <algorithm>
#include <cstdint>
#include <type_traits>

/** A thread's share of a tile of the state: what it reads, computes and writes. */
namespace ssugraph::detail::native {

template <class State, bool Rounding, kernel_key Key>
struct variant {
  using state = State;
  using layout = octet_layout<State, Key.lanes, Key.vector>;
  using sum = row_sum<Key.lanes, Key.rows>;
  using octet = std::uint32_t[words_of_octet<State>];
  using io = io_scalar<Key.wide_io>;
  using io_octet = std::uint32_t[Key.wide_io ? 8 : 4];
  using token = std::conditional_t<Key.one_token, std::uint32_t, std::int64_t>;
  static constexpr int lanes = Key.lanes;
  static constexpr int rows = Key.rows;
  static constexpr int owned = sum::owned;
  /** Time steps that a thread makes: where tied, that of its head. */
  static constexpr int steps = Key.tied ? 1 : owned;
  /** Rows whose random bits are drawn at a time. */
  static constexpr int drawn = std::min(Key.rows, max_rows_drawn);
  static constexpr bool vector = Key.vector;
  static constexpr bool wide_io = Key.wide_io;
  static constexpr bool tied = Key.tied;
  static constexpr bool rounding = Rounding;
  static constexpr bool one_token = Key.one_token;
  static constexpr bool whole_tiles = takes_whole_tiles(Key);
  static constexpr int max_registers = native::max_registers(Key);
};

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
  typename V::io_octet B, C;
};

/** What a layer has: A, dt_bias and D of the own rows; untied, A of all rows, 32 bits an element or
 *  two to a word. */
template <class V>
struct head_parameters {
  raw_scalar A;
  raw_scalar dt_bias[V::steps], D[V::owned];
  std::uint32_t A_rows[V::tied ? 1 : V::rows][octet_size];
};

/** dt' of an own row and, tied, exp(A dt') of the head. */
struct time_step {
  float dt;
  float decay;
};

inline constexpr float log2_e = 1.44269504f;

/** 2^x to 2 units in the last place, zero below 2^-126, in one instruction where expf takes eight.
 */
__device__ inline float exp2_approximate(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

__device__ inline float silu(float z) {
  return z / (1.0f + expf(-z));
}

/** One thread's share of a block's tile. */
template <class V>
struct tile {
  using state = typename V::state;
  using octet = typename V::octet;
  using layout = typename V::layout;

  const ssu_params& p;
  std::uint32_t head;
  std::uint32_t number;  ///< of the tile in its head
  std::uint32_t lane = threadIdx.x % V::lanes;
  std::uint32_t rows_apart = p.workers / V::lanes;
  std::uint32_t first_row = number * rows_apart * V::rows + threadIdx.x / V::lanes;
  bool writes_own = V::sum::owner(V::sum::own_row(lane)) == lane && exists(own_row(0));
  static_assert(V::owned == 1 || V::whole_tiles);

  __device__ std::uint32_t row(int r) const { return first_row + r * rows_apart; }
  __device__ std::uint32_t own_row(int k) const { return row(V::sum::own_row(lane) + k); }
  __device__ bool exists(std::uint32_t row) const { return V::whole_tiles || row < p.dim; }
  /** A row that can be read: beyond the last one, the last one. */
  __device__ std::uint32_t readable(std::uint32_t row) const {
    return V::whole_tiles ? row : min(row, p.dim - 1);
  }

  /** Where this thread's first row is, of those that can be read. */
  __device__ std::byte* first_row_of(std::int64_t slot) const {
    return address<V::vector>(p.state, slot, head, readable(first_row));
  }
  /** From row `r` to the next that can be read. */
  __device__ std::int64_t to_next_row(int r) const {
    return exists(row(r + 1)) ? std::int64_t{rows_apart} * p.state.stride[2] : 0;
  }

  // --- Loads, without conversions

  __device__ void read_state(std::int64_t slot, octet (&raw)[V::rows]) const {
    const std::byte* at = first_row_of(slot);
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      load_octet<layout, state>(at, p.state.stride[3], lane, p.dstate, raw[r]);
      at += to_next_row(r);
    }
  }

  /** Brings what `read_state` reads into the L2 cache. */
  __device__ void prefetch_state(std::int64_t slot) const {
    if (!V::vector || lane % (cache_line / 16) != 0) return;
    const std::byte* at = first_row_of(slot) + lane * 16;
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
#pragma unroll
      for (int chunk = 0; chunk < layout::chunks; ++chunk) {
        if (layout::first(lane, chunk) < p.dstate) prefetch(at + chunk * V::lanes * 16);
      }
      at += to_next_row(r);
    }
  }

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
    return std::int64_t{k * rows_apart} * tensor.stride[Rank - 1];
  }

  __device__ row_inputs<V> read_row_inputs(const token_pointers& at, int k = 0) const {
    return {V::io::load(at.x + to_own(k, p.x)), V::io::load(at.z + to_own(k, p.z))};
  }

  __device__ raw_scalar read_dt(const token_pointers& at, int k = 0) const {
    return load_scalar(at.dt + to_own(k, p.dt), p.dt.type);
  }

  __device__ octet_inputs<V> read_octets(const token_pointers& at) const {
    octet_inputs<V> in;
    load_octet<layout, typename V::io::word>(at.B, p.B.stride[2], lane, p.dstate, in.B);
    load_octet<layout, typename V::io::word>(at.C, p.C.stride[2], lane, p.dstate, in.C);
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
        if (p.A.type == dtype::float32) {
          load_octet<layout, float>(at, p.A.stride[2], lane, p.dstate, layer.A_rows[r]);
        } else {
          load_octet<layout, std::uint16_t>(at, p.A.stride[2], lane, p.dstate, layer.A_rows[r]);
        }
      }
    }
    return layer;
  }

  // --- Arithmetic

  __device__ time_step step_of(raw_scalar dt, const head_parameters<V>& layer, int k = 0) const {
    time_step step{dt.value(p.dt.type), 0.0f};
    if (p.has_dt_bias) step.dt += layer.dt_bias[k].value(p.dt_bias.type);
    if (p.dt_softplus && step.dt <= 20.0f) step.dt = log1pf(expf(step.dt));
    if constexpr (V::tied) step.decay = expf(layer.A.value(p.A.type) * step.dt);
    return step;
  }

  /** h becomes h'; returns this thread's part of the sum. */
  __device__ float update_row(float (&h)[octet_size], const float (&decay)[octet_size], float dt_x,
                              const float (&B)[octet_size], const float (&C)[octet_size]) const {
    float sum = 0.0f;
    float before = 0.0f;  // the run of neighbours that `i` is in
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
      // Fused by hand, so that every variant gives the same bits.
      h[i] = __fmaf_rn(h[i], decay[i], dt_x * B[i]);
      const float more = __fmaf_rn(h[i], C[i], sum);
      sum = layout::vector || layout::holds(lane, i, p.dstate) ? more : sum;
      if (layout::vector && (i + 1) % layout::width == 0) {
        // Past the end of the row there is nothing to add, not even zero times infinity.
        sum = layout::holds(lane, i, p.dstate) ? sum : before;
        before = sum;
      }
    }
    return sum;
  }

  /**
   * One token: `h`, of all rows or of one at a time, becomes the new state. Of each row r,
   * `load(r)` puts the old state there, and `keep(r, part)` takes what is stored of the new; `part`
   * is this thread's part of the sum, NaN if any of h is. `dt(r)` and `dt_x(r)`: dt' and dt' x of
   * the row. The first of `part` become the sums of the own rows.
   */
  template <int Held, class Scalar, class Product, class Load, class Keep>
  __device__ void update(const float (&B)[octet_size], const float (&C)[octet_size],
                         float decay_of_head, const head_parameters<V>& layer, Scalar dt,
                         Product dt_x, float (&h)[Held][octet_size], Load load, Keep keep,
                         float (&part)[V::rows]) const {
    float decay[octet_size];
#pragma unroll
    for (int i = 0; i < octet_size; ++i)
      decay[i] = decay_of_head;
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      if constexpr (!V::tied) {
        if (p.A.type == dtype::float32) {
          widen<true>(layer.A_rows[r], p.A.type, decay);
        } else {
          widen<false>(layer.A_rows[r], p.A.type, decay);
        }
        const float of_row = dt(r) * log2_e;
#pragma unroll
        for (int i = 0; i < octet_size; ++i)
          decay[i] = exp2_approximate(decay[i] * of_row);
      }
      load(r);
      part[r] = update_row(h[r % Held], decay, dt_x(r), B, C);
      keep(r, part[r]);
    }
    V::sum::reduce(part, lane);
  }

  // --- Stores

  /** Row `r`, if there is one, to `at`. */
  __device__ void write_row(int r, std::byte* at, const octet& word) const {
    store_octet<layout, state>(exists(row(r)), at, p.state.stride[3], lane, p.dstate, word);
  }

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

/** Makes of states what is stored of them. */
template <class V>
struct rounder {
  const tile<V>& mine;
  rounding_source from;
  philox_words random[V::drawn] = {};

  /** The random bits of rows `first`... of this thread. */
  __device__ void draw(int first) {
    if constexpr (!V::rounding || !V::vector) return;
    const std::uint32_t octets = mine.p.dstate / octet_size;
    draw_octets(from, (mine.head * mine.p.dim + mine.row(first)) * octets + mine.lane,
                mine.rows_apart * octets, random);
  }

  /** Row `r`, in order; the bits of the first rows were drawn. `has_nan`: h may have one. */
  __device__ void narrow(int r, const float (&h)[octet_size], bool has_nan,
                         typename V::octet& word) {
    if constexpr (!V::rounding) {
      round_nearest<typename V::state>(h, word);
    } else if constexpr (V::vector) {
      if (r > 0 && r % V::drawn == 0) draw(r);
      round_stochastic(h, has_nan, random[r % V::drawn], word, typename V::state{});
    } else {
      const std::int64_t row = std::int64_t{mine.head} * mine.p.dim + mine.row(r);
      const philox_words bits = draw_unaligned(from, row * mine.p.dstate + mine.lane * octet_size);
      round_stochastic(h, true, bits, word, typename V::state{});
    }
  }
};

}  // namespace ssugraph::detail::native
