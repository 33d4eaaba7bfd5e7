#pragma once

#include "lib/backends/native/memory.cuh"
#include "lib/backends/native/policy.hpp"
#include "lib/backends/native/rounding.cuh"
#include "lib/backends/native/row_sum.cuh"
#include "lib/backends/native/sequence.cuh"
#include "lib/backends/native/ssu_params.hpp"

#include <cstdint>
#include <type_traits>

/** A thread's share of a tile of the state: what it reads, computes and writes. */
namespace ssugraph::detail {

template <class State, int Lanes, int Rows, bool Vector, bool WideIo, bool Tied, bool Rounding,
          bool OneToken>
struct variant {
  using state = State;
  using layout = octet_layout<State, Lanes, Vector>;
  using sum = row_sum<Lanes, Rows>;
  using octet = std::uint32_t[words_of_octet<State>];
  using io = io_scalar<WideIo>;
  using io_octet = std::uint32_t[WideIo ? 8 : 4];
  using token = std::conditional_t<OneToken, std::uint32_t, std::int64_t>;
  static constexpr int lanes = Lanes;
  static constexpr int rows = Rows;
  /** Rows whose random bits are drawn at a time. */
  static constexpr int drawn = Rows < 4 ? Rows : 4;
  static constexpr bool vector = Vector;
  static constexpr bool wide_io = WideIo;
  static constexpr bool tied = Tied;
  static constexpr bool rounding = Rounding;
  static constexpr bool one_token = OneToken;
  static constexpr int min_blocks = blocks_to_fit(Rows, Vector, Tied, OneToken);
};

/** Threads of a block that hold rows: all but those of its last warp. */
__device__ inline std::uint32_t workers() {
  return blockDim.x - waiting_threads;
}

/** Where a token has what this thread reads and writes of it: x, z, dt and out of the own row, B
 * and C of the group. */
struct token_pointers {
  std::byte *x, *z, *dt, *B, *C, *out;
};

/** What lies there. */
template <class V>
struct token_inputs {
  typename V::io x, z;
  raw_scalar dt;
  typename V::io_octet B, C;
};

/** What a layer has: A, dt_bias and D of the own row; untied, A of all rows, 32 bits an element or
 *  two to a word. */
template <class V>
struct head_parameters {
  raw_scalar A, dt_bias, D;
  std::uint32_t A_rows[V::tied ? 1 : V::rows][octet_size];
};

/** dt' of the own row and, tied, exp(A dt') of the head. */
struct time_step {
  float dt;
  float decay;
};

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
  std::uint32_t rows_apart = workers() / V::lanes;
  std::uint32_t first_row = number * rows_apart * V::rows + threadIdx.x / V::lanes;
  std::uint32_t own_row = row(V::sum::own_row(lane));
  /** A row that can be read: beyond the last one, the last one. */
  std::uint32_t readable = min(own_row, p.dim - 1);
  bool writes_own = V::sum::owner(V::sum::own_row(lane)) == lane && own_row < p.dim;

  __device__ std::uint32_t row(int r) const { return first_row + r * rows_apart; }

  // --- Loads, without conversions

  __device__ void read_state(std::int64_t slot, octet (&raw)[V::rows]) const {
    std::byte* of_head = address<V::vector>(p.state, slot, head);
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      std::byte* at = stepped<V::vector>(of_head, min(row(r), p.dim - 1), p.state.stride[2]);
      load_octet<layout, state>(at, p.state.stride[3], lane, p.dstate, raw[r]);
    }
  }

  /** Brings what `read_state` reads into the L2 cache. */
  __device__ void prefetch_state(std::int64_t slot) const {
    if (!V::vector || lane % (cache_line / 16) != 0) return;
    std::byte* of_head = address<V::vector>(p.state, slot, head);
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      const std::byte* at =
          stepped<V::vector>(of_head, min(row(r), p.dim - 1), p.state.stride[2]) + lane * 16;
#pragma unroll
      for (int chunk = 0; chunk < layout::chunks; ++chunk)
        prefetch(at + chunk * V::lanes * 16);
    }
  }

  /** Of token `t` of a sequence; behind the last one, of the last one. */
  __device__ token_pointers pointers_to(const row_range& tokens, int t) const {
    const auto token = static_cast<typename V::token>(tokens.begin + min(t, tokens.length - 1));
    const std::uint32_t group = p.heads_per_group.quotient(head);
    return {.x = address<V::vector>(p.x, token, head, readable),
            .z = address<V::vector>(p.z, token, head, readable),
            .dt = address<V::vector>(p.dt, token, head, readable),
            .B = address<V::vector>(p.B, token, group),
            .C = address<V::vector>(p.C, token, group),
            .out = address<V::vector>(p.out, token, head, own_row)};
  }

  __device__ token_inputs<V> read_inputs(const token_pointers& at) const {
    token_inputs<V> in;
    in.dt = load_scalar(at.dt, p.dt.type);
    in.x = V::io::load(at.x);
    in.z = V::io::load(at.z);
    load_octet<layout, typename V::io::word>(at.B, p.B.stride[2], lane, p.dstate, in.B);
    load_octet<layout, typename V::io::word>(at.C, p.C.stride[2], lane, p.dstate, in.C);
    return in;
  }

  __device__ head_parameters<V> read_parameters() const {
    head_parameters<V> layer;
    const auto read = [&](const strided<2>& tensor) {
      return load_scalar(address<V::vector>(tensor, head, readable), tensor.type);
    };
    layer.dt_bias = read(p.dt_bias);
    layer.D = read(p.D);
    if constexpr (V::tied) {
      layer.A = load_scalar(address<V::vector>(p.A, head, readable), p.A.type);
    } else {
#pragma unroll
      for (int r = 0; r < V::rows; ++r) {
        const std::byte* at = address<V::vector>(p.A, head, min(row(r), p.dim - 1));
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

  /** The random bits of rows `first`.. of this thread. */
  __device__ void draw(int first, const rounding_source& from,
                       philox_words (&random)[V::drawn]) const {
    if constexpr (!V::rounding || !V::vector) return;
    const std::uint32_t octets = p.dstate / octet_size;
    draw_octets(from, (head * p.dim + row(first)) * octets + lane, rows_apart * octets, random);
  }

  __device__ time_step step_of(raw_scalar dt, const head_parameters<V>& layer) const {
    time_step step{dt.value(p.dt.type), 0.0f};
    if (p.has_dt_bias) step.dt += layer.dt_bias.value(p.dt_bias.type);
    if (p.dt_softplus && step.dt <= 20.0f) step.dt = log1pf(expf(step.dt));
    if constexpr (V::tied) step.decay = expf(layer.A.value(p.A.type) * step.dt);
    return step;
  }

  /** Tied: dt of token `t` + `lane`. */
  __device__ raw_scalar read_step(const row_range& tokens, int t) const {
    return load_scalar(pointers_to(tokens, t + static_cast<int>(lane)).dt, p.dt.type);
  }
  /** What the thread that made the time step of token `t` holds. */
  __device__ static time_step of_token(time_step step, int t) {
    return {V::sum::from(step.dt, t % V::lanes), V::sum::from(step.decay, t % V::lanes)};
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

  __device__ void narrow(const float (&h)[octet_size], float part, std::uint32_t d,
                         const philox_words& random, const rounding_source& from,
                         octet& word) const {
    if constexpr (!V::rounding) {
      round_nearest<state>(h, word);
    } else if constexpr (V::vector) {
      // A part of h' that is infinite or NaN makes the sum so.
      round_stochastic<state>(h, fabsf(part) < __int_as_float(0x7f800000), random, word);
    } else {
      const std::int64_t first = (std::int64_t{head} * p.dim + d) * p.dstate + lane * octet_size;
      round_stochastic_unaligned<state>(h, first, from, word);
    }
  }

  /**
   * One token: `h` (one token: what lies in `raw`) becomes the new state, and `keep(r, word)` gets
   * what is stored of row r if `stores`. Returns `out` of the own row.
   */
  template <class Keep>
  __device__ float update(const token_inputs<V>& in, time_step step,
                          const head_parameters<V>& layer, const octet (&raw)[V::rows],
                          float (&h)[V::rows][octet_size], bool stores, const rounding_source& from,
                          philox_words (&random)[V::drawn], Keep keep) const {
    float B[octet_size];
    float C[octet_size];
    widen<V::wide_io>(in.B, p.B.type, B);
    widen<V::wide_io>(in.C, p.C.type, C);
    const float x = in.x.value(p.x.type);
    float decay[octet_size];
#pragma unroll
    for (int i = 0; i < octet_size; ++i)
      decay[i] = step.decay;
    float part[V::rows];
#pragma unroll
    for (int r = 0; r < V::rows; ++r) {
      if constexpr (V::one_token) widen<state>(raw[r], h[r]);
      if constexpr (!V::tied) {
        const float of_row = V::sum::broadcast(step.dt, r);
        if (p.A.type == dtype::float32) {
          widen<true>(layer.A_rows[r], p.A.type, decay);
        } else {
          widen<false>(layer.A_rows[r], p.A.type, decay);
        }
#pragma unroll
        for (int i = 0; i < octet_size; ++i)
          decay[i] = expf(decay[i] * of_row);
      }
      part[r] = update_row(h[r], decay, V::sum::broadcast(step.dt * x, r), B, C);
      if (V::one_token || stores) {
        if (r > 0 && r % V::drawn == 0) draw(r, from, random);
        octet word;
        narrow(h[r], part[r], row(r), random[r % V::drawn], from, word);
        keep(r, word);
      }
    }
    float sum = V::sum::of(part, lane);
    if (p.has_D) sum = __fmaf_rn(layer.D.value(p.D.type), x, sum);
    if (p.has_z) {
      const float gate = in.z.value(p.z.type);
      sum *= gate / (1.0f + expf(-gate));
    }
    return sum;
  }

  // --- Stores

  /** `of_head` is the address of the head in the slot. */
  __device__ void write_row(std::byte* of_head, int r, const octet& word) const {
    store_octet<layout, state>(row(r) < p.dim,
                               stepped<V::vector>(of_head, row(r), p.state.stride[2]),
                               p.state.stride[3], lane, p.dstate, word);
  }

  __device__ void write_out(std::byte* at, float value) const {
    if (writes_own) V::io::store(at, p.out.type, value);
  }
};

}  // namespace ssugraph::detail
