#pragma once

#include "lib/backends/native/kernels.hpp"
#include "lib/backends/native/policy.hpp"
#include "lib/backends/native/ssu_params.hpp"
#include "lib/random/philox.hpp"
#include "lib/random/stochastic_round.hpp"

#include <cub/warp/warp_reduce.cuh>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

/**
 * The native SSU kernel. A block owns a tile of rows (dim) of one head of one sequence; `lanes`
 * neighbouring threads share a row, each holding eight elements of dstate in fp32 from the first
 * token to the last. Memory is touched once: state in, x dt B C in and out a token, state out.
 *
 * Order under programmatic dependent launch: nothing is written before the wait; state, indices and
 * counts are read before it only if the launch in front does not write them; every path waits, then
 * triggers.
 */
namespace ssugraph::detail {

// --- Programmatic dependent launch -------------------------------------------------------------

__device__ inline void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ inline void trigger_successor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// --- Loads and stores --------------------------------------------------------------------------
// Plain ld.global throughout: what a graph writes must not be read through the read-only cache.

template <class T>
__device__ T* element(void* data, std::int64_t offset) {
  return static_cast<T*>(data) + offset;
}

/** A value as it lies in memory. Loads come apart from conversions, so that many are in flight. */
struct raw_scalar {
  std::uint32_t bits;
  dtype type;

  __device__ float value() const {
    switch (type) {
      case dtype::float16:
        return __half2float(__ushort_as_half(bits));
      case dtype::bfloat16:
        return __uint_as_float(bits << 16);
      default:
        return __uint_as_float(bits);
    }
  }
};

__device__ inline raw_scalar load_scalar(void* data, std::int64_t offset, dtype type) {
  const std::uint32_t bits = type == dtype::float32 ? *element<std::uint32_t>(data, offset)
                                                    : *element<std::uint16_t>(data, offset);
  return {bits, type};
}

__device__ inline std::int64_t load_index(const index_tensor& tensor, std::int64_t offset) {
  return tensor.wide ? static_cast<const std::int64_t*>(tensor.data)[offset]
                     : static_cast<const std::int32_t*>(tensor.data)[offset];
}

template <class T>
__device__ float to_float(T value) {
  return static_cast<float>(value);
}

/** Eight neighbouring elements of a row, as they lie in memory. */
template <class T>
struct alignas(16) octet {
  T value[octet_size];
};

/** Reads elements first .. first + 7 of a row of `count`; those past its end are zero. */
template <bool Vector, class T>
__device__ octet<T> load_octet(const T* row, std::int64_t stride, int first, int count) {
  octet<T> loaded{};
  if constexpr (Vector) {
    if (first < count) {
#pragma unroll
      for (std::size_t i = 0; i < sizeof loaded / sizeof(uint4); ++i) {
        reinterpret_cast<uint4*>(&loaded)[i] = reinterpret_cast<const uint4*>(row + first)[i];
      }
    }
  } else {
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
      if (first + i < count) loaded.value[i] = row[(first + i) * stride];
    }
  }
  return loaded;
}

template <bool Vector, class T>
__device__ void store_octet(T* row, std::int64_t stride, int first, int count,
                            const octet<T>& stored) {
  if constexpr (Vector) {
    if (first < count) {
#pragma unroll
      for (std::size_t i = 0; i < sizeof stored / sizeof(uint4); ++i) {
        reinterpret_cast<uint4*>(row + first)[i] = reinterpret_cast<const uint4*>(&stored)[i];
      }
    }
  } else {
#pragma unroll
    for (int i = 0; i < octet_size; ++i) {
      if (first + i < count) row[(first + i) * stride] = stored.value[i];
    }
  }
}

template <class T>
__device__ void widen(const octet<T>& from, float (&to)[octet_size]) {
#pragma unroll
  for (int i = 0; i < octet_size; ++i)
    to[i] = to_float(from.value[i]);
}

/** Eight neighbouring elements of a dtype known at run time; 16-bit ones fill the first word. */
struct raw_octet {
  uint4 word[2];

  __device__ void widen(dtype type, float (&to)[octet_size]) const {
    if (type == dtype::float32) return detail::widen(as<float>(), to);
    if (type == dtype::float16) return detail::widen(as<__half>(), to);
    detail::widen(as<__nv_bfloat16>(), to);
  }

 private:
  template <class T>
  __device__ octet<T> as() const {
    octet<T> result;
    memcpy(&result, word, sizeof result);
    return result;
  }
};

template <bool Vector>
__device__ raw_octet load_raw_octet(const strided<3>& tensor, std::int64_t offset, int first,
                                    int count) {
  raw_octet loaded{};
  const auto load = [&](auto* row) {
    const auto narrow = load_octet<Vector>(row, tensor.stride[2], first, count);
    memcpy(loaded.word, &narrow, sizeof narrow);
  };
  if (tensor.type == dtype::float32) {
    load(element<float>(tensor.data, offset));
  } else {
    load(element<std::uint16_t>(tensor.data, offset));
  }
  return loaded;
}

// --- The sequence of a block -------------------------------------------------------------------

/** A slot in [0, slots), or -1: the null block, or a slot that does not exist. */
__device__ inline std::int64_t live_slot(const ssu_params& p, const index_tensor& indices,
                                         std::int64_t sequence, std::int64_t column) {
  const std::int64_t slot =
      load_index(indices, sequence * indices.stride[0] + column * indices.stride[1]);
  return slot != p.null_block_id && slot >= 0 && slot < p.slots ? slot : -1;
}

__device__ inline std::int64_t clamp(std::int64_t value, std::int64_t low, std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}

__device__ inline std::int64_t source_slot(const ssu_params& p, std::int64_t sequence) {
  if (p.indices.data == nullptr) return sequence;
  std::int64_t column = 0;
  if (p.accepted.data != nullptr) {
    const std::int64_t accepted = load_index(p.accepted, sequence * p.accepted.stride[0]);
    column = clamp(accepted - 1, 0, p.max_seqlen - 1);
  }
  return live_slot(p, p.indices, sequence, column);
}

/** The slot that takes the state after token `t` of `length`, or -1. */
__device__ inline std::int64_t destination_slot(const ssu_params& p, std::int64_t sequence,
                                                std::int64_t source, int t, int length) {
  const bool speculative = p.accepted.data != nullptr;
  if (!speculative && t + 1 < length) return -1;
  const int column = speculative ? t : 0;
  if (p.dst_indices.data != nullptr) return live_slot(p, p.dst_indices, sequence, column);
  return speculative ? live_slot(p, p.indices, sequence, column) : source;
}

struct row_range {
  std::int64_t begin;
  int length;
};

__device__ inline row_range rows_of(const ssu_params& p, std::int64_t sequence) {
  if (p.cu_seqlens.data == nullptr) return {sequence, 1};
  const std::int64_t stride = p.cu_seqlens.stride[0];
  const std::int64_t begin = clamp(load_index(p.cu_seqlens, sequence * stride), 0, p.rows);
  const std::int64_t end = clamp(load_index(p.cu_seqlens, (sequence + 1) * stride), begin, p.rows);
  return {begin, static_cast<int>(clamp(end - begin, 0, p.max_seqlen))};
}

// --- Arithmetic --------------------------------------------------------------------------------

__device__ inline float softplus(float dt) {
  return dt <= 20.0f ? log1pf(expf(dt)) : dt;
}

__device__ inline void round_nearest(float value, float& to) {
  to = value;
}
__device__ inline void round_nearest(float value, __half& to) {
  to = __float2half_rn(value);
}
__device__ inline void round_nearest(float value, __nv_bfloat16& to) {
  to = __float2bfloat16_rn(value);
}

__device__ inline void round_stochastic(float value, std::uint32_t bits, __half& to) {
  to = __ushort_as_half(round_to_float16(value, bits));
}
__device__ inline void round_stochastic(float value, std::uint32_t bits, __nv_bfloat16& to) {
  to = __ushort_as_bfloat16(round_to_bfloat16(value, bits));
}

/** Rounds elements `first`.. of a slot; `h` are neighbours, so at most two draws serve them. */
template <bool Aligned, class State>
__device__ void round_octet(const float (&h)[octet_size], std::int64_t first, std::int64_t seed,
                            int t, std::int64_t slot, int rounds, octet<State>& to) {
  const auto words_of = [&](std::int64_t e) {
    return rounding_words(seed, static_cast<std::uint32_t>(e >> 3), static_cast<std::uint32_t>(t),
                          slot, rounds);
  };
  philox_words words = words_of(first);
#pragma unroll
  for (int i = 0; i < octet_size; ++i) {
    const auto e = static_cast<std::uint32_t>(first) + i;
    if (!Aligned && i > 0 && e % octet_size == 0) words = words_of(first + i);
    round_stochastic(h[i], rounding_bits(words, Aligned ? i : e), to.value[i]);
  }
}

// --- The kernel --------------------------------------------------------------------------------

template <class StateType, class IoType, int Lanes, bool Vector, bool Tied, bool Rounding,
          bool OneToken>
struct variant {
  using state = StateType;
  using io = IoType;
  static constexpr int lanes = Lanes;
  static constexpr int groups = block_threads / Lanes;
  static constexpr int tile_rows = groups * rows_per_thread;
  static constexpr bool vector = Vector;
  static constexpr bool tied = Tied;
  /** Time steps of a thread: one a head where tied, else one a row. */
  static constexpr int time_steps = Tied ? 1 : rows_per_thread;
  static constexpr bool rounding = Rounding;
  static constexpr bool one_token = OneToken;
};

/** What one thread needs of one token, as it lies in memory. */
template <class Variant>
struct token_inputs {
  octet<typename Variant::io> B;
  octet<typename Variant::io> C;
  typename Variant::io x[rows_per_thread];
  typename Variant::io z[rows_per_thread];
  raw_scalar dt[Variant::time_steps];
};

/** What one thread needs of its layer. */
template <class Variant>
struct head_parameters {
  raw_scalar A_scalar;                               ///< tied
  raw_octet A[Variant::tied ? 1 : rows_per_thread];  ///< untied
  raw_scalar dt_bias[Variant::time_steps];
  raw_scalar D[rows_per_thread];
};

/** One thread's share of a block's tile. */
template <class Variant>
struct tile {
  using state = typename Variant::state;
  using io = typename Variant::io;
  using warp_reduce = cub::WarpReduce<float, Variant::lanes>;
  using inputs = token_inputs<Variant>;
  using parameters = head_parameters<Variant>;

  const ssu_params& p;
  std::int64_t sequence;
  int head;
  int group;      ///< of B and C
  int first_row;  ///< of this thread; its others follow `Variant::groups` apart
  int lane;
  float h[rows_per_thread][octet_size];

  __device__ explicit tile(const ssu_params& params)
      : p{params},
        sequence{blockIdx.x},
        head{static_cast<int>(blockIdx.y)},
        group{head / params.heads_per_group},
        first_row{static_cast<int>(blockIdx.z) * Variant::tile_rows +
                  static_cast<int>(threadIdx.x) / Variant::lanes},
        lane{static_cast<int>(threadIdx.x) % Variant::lanes} {}

  __device__ int row(int r) const { return first_row + r * Variant::groups; }
  /** A row to read: past the last one, the last one again. */
  __device__ int readable_row(int r) const { return min(row(r), p.dim - 1); }
  __device__ int first_element() const { return lane * octet_size; }
  __device__ bool in_row(int i) const {
    return first_element() + (Variant::vector ? 0 : i) < p.dstate;
  }

  __device__ state* state_row(std::int64_t slot, int d) const {
    return element<state>(
        p.state.data, slot * p.state.stride[0] + head * p.state.stride[1] + d * p.state.stride[2]);
  }

  __device__ void read_state(std::int64_t slot, octet<state> (&raw)[rows_per_thread]) const {
#pragma unroll
    for (int r = 0; r < rows_per_thread; ++r) {
      raw[r] = load_octet<Variant::vector>(state_row(slot, readable_row(r)), p.state.stride[3],
                                           first_element(), p.dstate);
    }
  }

  __device__ void write_state(std::int64_t slot, std::int64_t source, std::int64_t seed,
                              int t) const {
#pragma unroll
    for (int r = 0; r < rows_per_thread; ++r) {
      if (row(r) >= p.dim) break;
      octet<state> stored;
      if constexpr (Variant::rounding) {
        const std::int64_t first =
            (static_cast<std::int64_t>(head) * p.dim + row(r)) * p.dstate + first_element();
        round_octet<Variant::vector>(h[r], first, seed, t, source, p.philox_rounds, stored);
      } else {
#pragma unroll
        for (int i = 0; i < octet_size; ++i)
          round_nearest(h[r][i], stored.value[i]);
      }
      store_octet<Variant::vector>(state_row(slot, row(r)), p.state.stride[3], first_element(),
                                   p.dstate, stored);
    }
  }

  __device__ parameters read_parameters() const {
    parameters read{};
    if constexpr (Variant::tied) {
      read.A_scalar = load_scalar(p.A.data, head * p.A.stride[0], p.A.type);
    }
#pragma unroll
    for (int r = 0; r < rows_per_thread; ++r) {
      const int d = readable_row(r);
      if constexpr (!Variant::tied) {
        read.A[r] = load_raw_octet<Variant::vector>(p.A, head * p.A.stride[0] + d * p.A.stride[1],
                                                    first_element(), p.dstate);
      }
      if (p.dt_bias.data != nullptr && r < Variant::time_steps) {
        read.dt_bias[r] = load_scalar(
            p.dt_bias.data, head * p.dt_bias.stride[0] + d * p.dt_bias.stride[1], p.dt_bias.type);
      }
      if (p.D.data != nullptr) {
        read.D[r] = load_scalar(p.D.data, head * p.D.stride[0] + d * p.D.stride[1], p.D.type);
      }
    }
    return read;
  }

  __device__ inputs read_inputs(std::int64_t token) const {
    inputs read;
    read.B = load_octet<Variant::vector>(
        element<io>(p.B.data, token * p.B.stride[0] + group * p.B.stride[1]), p.B.stride[2],
        first_element(), p.dstate);
    read.C = load_octet<Variant::vector>(
        element<io>(p.C.data, token * p.C.stride[0] + group * p.C.stride[1]), p.C.stride[2],
        first_element(), p.dstate);
#pragma unroll
    for (int r = 0; r < rows_per_thread; ++r) {
      const int d = readable_row(r);
      read.x[r] = *element<io>(p.x.data, offset_in_row(p.x, token, d));
      if (p.z.data != nullptr) read.z[r] = *element<io>(p.z.data, offset_in_row(p.z, token, d));
      if (r < Variant::time_steps) {
        read.dt[r] = load_scalar(p.dt.data, offset_in_row(p.dt, token, d), p.dt.type);
      }
    }
    return read;
  }

  __device__ std::int64_t offset_in_row(const strided<3>& tensor, std::int64_t token, int d) const {
    return token * tensor.stride[0] + head * tensor.stride[1] + d * tensor.stride[2];
  }

  /** One token: h becomes h', and `out` is written. */
  __device__ void update(std::int64_t token, const inputs& in, const parameters& layer) {
    float B[octet_size];
    float C[octet_size];
    widen(in.B, B);
    widen(in.C, C);
    float dt = time_step(in, layer, 0);
    float decay = 0.0f;
    if constexpr (Variant::tied) decay = expf(layer.A_scalar.value() * dt);
#pragma unroll
    for (int r = 0; r < rows_per_thread; ++r) {
      const float x = to_float(in.x[r]);
      float A[octet_size];
      if constexpr (!Variant::tied) {
        dt = time_step(in, layer, r);
        layer.A[r].widen(p.A.type, A);
      }
      float sum = 0.0f;
#pragma unroll
      for (int i = 0; i < octet_size; ++i) {
        if constexpr (!Variant::tied) decay = expf(A[i] * dt);
        h[r][i] = h[r][i] * decay + (dt * x) * B[i];
        // Past the row's end everything is zero, and infinity times zero is not.
        if (in_row(i)) sum += h[r][i] * C[i];
      }
      typename warp_reduce::TempStorage storage;
      static_assert(sizeof storage == 1, "shuffles need none; else it belongs in shared memory");
      sum = warp_reduce{storage}.Sum(sum);
      if (p.D.data != nullptr) sum += layer.D[r].value() * x;
      if (p.z.data != nullptr) {
        const float z = to_float(in.z[r]);
        sum *= z / (1.0f + expf(-z));
      }
      if (lane == 0 && row(r) < p.dim) store_out(token, row(r), sum);
    }
  }

  /** dt' of row r, or of the head where tied. */
  __device__ float time_step(const inputs& in, const parameters& layer, int r) const {
    float dt = in.dt[r].value();
    if (p.dt_bias.data != nullptr) dt += layer.dt_bias[r].value();
    return p.dt_softplus ? softplus(dt) : dt;
  }

  __device__ void store_out(std::int64_t token, int d, float value) const {
    round_nearest(value, *element<io>(p.out.data, offset_in_row(p.out, token, d)));
  }

  __device__ void zero_out(row_range tokens) const {
    if (lane != 0) return;
    for (int t = 0; t < tokens.length; ++t) {
      for (int r = 0; r < rows_per_thread && row(r) < p.dim; ++r) {
        store_out(tokens.begin + t, row(r), 0.0f);
      }
    }
  }
};

template <class Variant>
__global__ void __launch_bounds__(block_threads) ssu_kernel(const __grid_constant__ ssu_params p) {
  tile<Variant> mine{p};
  if (!p.reads_ahead) wait_for_predecessor();
  const row_range tokens =
      Variant::one_token ? row_range{mine.sequence, 1} : rows_of(p, mine.sequence);
  const std::int64_t source = source_slot(p, mine.sequence);
  const bool live = source >= 0 && tokens.length > 0;
  octet<typename Variant::state> raw[rows_per_thread];
  if (live) mine.read_state(source, raw);
  if (p.reads_ahead) wait_for_predecessor();
  trigger_successor();
  if (!live) return mine.zero_out(tokens);

  std::int64_t seed = p.drawn_seed;
  if (Variant::rounding && p.rand_seed != nullptr) seed = *p.rand_seed;
  const auto layer = mine.read_parameters();
  auto in = mine.read_inputs(tokens.begin);
#pragma unroll
  for (int r = 0; r < rows_per_thread; ++r)
    widen(raw[r], mine.h[r]);
  for (int t = 0; t < tokens.length; ++t) {
    const std::int64_t slot = destination_slot(p, mine.sequence, source, t, tokens.length);
    mine.update(tokens.begin + t, in, layer);
    if (t + 1 < tokens.length) in = mine.read_inputs(tokens.begin + t + 1);
    if (slot >= 0) mine.write_state(slot, source, seed, t);
  }
}

// --- From run time to compile time -------------------------------------------------------------

template <class T>
inline constexpr dtype dtype_of = std::is_same_v<T, float>    ? dtype::float32
                                  : std::is_same_v<T, __half> ? dtype::float16
                                                              : dtype::bfloat16;

/** Kernel `I` of a state dtype: every io dtype x (five vector widths, one scalar) x tied or not x
 * one token a sequence or several. */
template <class State, bool Rounding, std::size_t I>
struct numbered {
  static constexpr int widths[] = {2, 4, 8, 16, 32, 32};
  static constexpr std::size_t width = I / 4 % 6;
  using io = std::tuple_element_t<I / 24, std::tuple<float, __half, __nv_bfloat16>>;
  using type = variant<State, io, widths[width], width != 5, I / 2 % 2 == 1, Rounding, I % 2 == 1>;
};

template <class State, bool Rounding>
const void* find_kernel(const kernel_key& key) {
  const void* found = nullptr;
  const auto consider = [&]<class Variant>(std::type_identity<Variant>) {
    const bool match = dtype_of<typename Variant::io> == key.io && Variant::lanes == key.lanes &&
                       Variant::vector == key.vector && Variant::tied == key.tied &&
                       Variant::one_token == key.one_token;
    if (match) found = reinterpret_cast<const void*>(&ssu_kernel<Variant>);
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (consider(std::type_identity<typename numbered<State, Rounding, I>::type>{}), ...);
  }
  (std::make_index_sequence<72>{});
  return found;
}

}  // namespace ssugraph::detail
