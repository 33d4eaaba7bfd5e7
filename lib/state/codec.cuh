#pragma once

#include "lib/device/element.cuh"
#include "lib/device/octet.hpp"
#include "lib/random/philox.hpp"
#include "lib/state/scaled.hpp"

#include <ssugraph/tensor_view.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

/** The formats of a state, and eight elements of one: their floats, of a scaled one those of its
 *  codes, and floats to what is stored of them. The words of eight elements are as in memory. */
namespace ssugraph::detail {

/** The type of an element in memory. */
template <dtype State>
struct state_of;
template <>
struct state_of<dtype::float32> {
  using type = float;
};
template <>
struct state_of<dtype::float16> {
  using type = __half;
};
template <>
struct state_of<dtype::bfloat16> {
  using type = __nv_bfloat16;
};
template <>
struct state_of<dtype::int16> {
  using type = std::int16_t;
};
template <>
struct state_of<dtype::int8> {
  using type = std::int8_t;
};
template <>
struct state_of<dtype::float8_e4m3> {
  using type = float8_e4m3;
};

// --- Floats of what is stored

template <class T>
__device__ float widen_one(const std::uint32_t* word, int i) {
  if constexpr (std::is_same_v<T, float>) {
    return __uint_as_float(word[i]);
  } else if constexpr (std::is_same_v<T, __half>) {
    return half_to_float(i % 2 == 0 ? word[i / 2] & 0xffffu : word[i / 2] >> 16);
  } else {
    return __uint_as_float(i % 2 == 0 ? word[i / 2] << 16 : word[i / 2] & 0xffff0000u);
  }
}

template <class T, int Columns>
__device__ void widen(const std::uint32_t* word, float (&to)[Columns]) {
  if constexpr (is_scaled_code<T>) {
#pragma unroll
    for (int o = 0; o < Columns / octet_size; ++o)
      decode_octet<T>(word + o * words_of_octet<T>, octet_of(to, o));
  } else {
#pragma unroll
    for (int i = 0; i < Columns; ++i)
      to[i] = widen_one<T>(word, i);
  }
}

/** Of a dtype known at run time, but for what its width says. */
template <io_width Width, int Columns>
__device__ void widen(const std::uint32_t* word, dtype type, float (&to)[Columns]) {
  if (Width == io_width::wide || (Width == io_width::any && type == dtype::float32)) {
    widen<float>(word, to);
  } else if (type == dtype::float16) {
    widen<__half>(word, to);
  } else {
    widen<__nv_bfloat16>(word, to);
  }
}

// --- To nearest

template <class T>
__device__ std::uint32_t word_of(T pair) {
  static_assert(sizeof(T) == sizeof(std::uint32_t), "two elements of 16 bits are a word");
  std::uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}

template <class State>
__device__ void round_nearest(const float (&h)[octet_size],
                              std::uint32_t (&word)[words_of_octet<State>]) {
  if constexpr (std::is_same_v<State, float>) {
#pragma unroll
    for (int i = 0; i < octet_size; ++i)
      word[i] = __float_as_uint(h[i]);
  } else {
#pragma unroll
    for (int i = 0; i < octet_size / 2; ++i) {
      if constexpr (std::is_same_v<State, __half>) {
        word[i] = word_of(__floats2half2_rn(h[2 * i], h[2 * i + 1]));
      } else {
        word[i] = word_of(__floats2bfloat162_rn(h[2 * i], h[2 * i + 1]));
      }
    }
  }
}

// --- Stochastic rounding -------------------------------------------------------------------------
// Two neighbours to a word, by the half-words of `random`, low one first. The results are those of
// lib/state/stochastic_round.hpp.

/** The least and the greatest magnitudes of four pairs of fp16, a pair of each, their signs of no
 * use; a NaN is the greatest. */
struct magnitude_range {
  std::uint32_t least;
  std::uint32_t greatest;
};

__device__ inline magnitude_range range_of(const std::uint32_t (&pair)[4]) {
  magnitude_range range{pair[0], pair[0]};
#pragma unroll
  for (int i = 1; i < 4; ++i) {
#if __CUDA_ARCH__ >= 860
    asm("min.xorsign.abs.f16x2 %0, %0, %1;" : "+r"(range.least) : "r"(pair[i]));
    asm("max.NaN.xorsign.abs.f16x2 %0, %0, %1;" : "+r"(range.greatest) : "r"(pair[i]));
#else
    constexpr std::uint32_t magnitude = 0x7fff7fffu;
    asm("min.f16x2 %0, %1, %2;"
        : "=r"(range.least)
        : "r"(range.least & magnitude), "r"(pair[i] & magnitude));
    asm("max.NaN.f16x2 %0, %1, %2;"
        : "=r"(range.greatest)
        : "r"(range.greatest & magnitude), "r"(pair[i] & magnitude));
#endif
  }
  return range;
}

/** Takes back what was carried into the exponent of infinity, of a pair of bf16; signs stay. */
__device__ inline std::uint32_t at_most_largest(std::uint32_t pair) {
  std::uint32_t result;
#if __CUDA_ARCH__ >= 860
  asm("min.xorsign.abs.bf16x2 %0, %1, %2;" : "=r"(result) : "r"(pair), "r"(0x7f7f7f7fu));
#else
  asm("{ .reg .b32 most; min.bf16x2 most, %1, %2; max.bf16x2 %0, most, %3; }"
      : "=r"(result)
      : "r"(pair), "r"(0x7f7f7f7fu), "r"(0xff7fff7fu));
#endif
  return result;
}

/** Eight neighbours by one draw. `has_nan` is true if any of them may be NaN. */
__device__ inline void round_stochastic(const float (&h)[octet_size], bool has_nan,
                                        const philox_words& random, std::uint32_t (&word)[4],
                                        __nv_bfloat16) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    // The spacing of bf16 is 2^16 in the bits of an fp32, everywhere.
    const std::uint32_t low = __float_as_uint(h[2 * i]) + (random.w[i] & 0xffffu);
    const std::uint32_t high = __float_as_uint(h[2 * i + 1]) + (random.w[i] >> 16);
    word[i] = at_most_largest(__byte_perm(low, high, 0x7632));
  }
  if (!has_nan) return;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (isnan(h[2 * i])) word[i] = (word[i] & 0xffff0000u) | 0x00007fffu;
    if (isnan(h[2 * i + 1])) word[i] = (word[i] & 0x0000ffffu) | 0x7fff0000u;
  }
}

/** Towards zero; above the largest finite value, that. */
__device__ inline std::uint32_t truncated_pair(float low, float high) {
  std::uint32_t result;
  asm("cvt.rz.satfinite.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
}

/** |v| plus `random` (13 bits) 2^-13ths of the spacing of fp16 at v, rounded towards zero. */
__device__ inline float dithered(float v, std::uint32_t random) {
  const float fraction = __uint_as_float((random & 0x1fffu) | 0x3f800000u) - 1.0f;  // 2^-23ths
  const std::uint32_t bits = __float_as_uint(v);
  // Subnormals of fp16 have the spacing of its smallest normal, 2^-14; from 2^16 on, infinities
  // included, any spacing gives the largest.
  const std::uint32_t exponent = min(max(bits & 0x7f800000u, 0x38800000u), 0x47000000u);
  return __fmaf_rz(fraction, __uint_as_float(exponent | (bits & 0x80000000u)), v);
}

__device__ inline void round_stochastic(const float (&h)[octet_size], bool /*has_nan*/,
                                        const philox_words& random, std::uint32_t (&word)[4],
                                        __half) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    // The spacing of fp16 is 2^13 in the bits of an fp32, but for its subnormals.
    const std::uint32_t low = __float_as_uint(h[2 * i]) + (random.w[i] & 0x1fffu);
    const std::uint32_t high = __float_as_uint(h[2 * i + 1]) + (random.w[i] >> 16 & 0x1fffu);
    word[i] = truncated_pair(__uint_as_float(low), __uint_as_float(high));
  }
  // Subnormals; and what is as large as can be, for its sum may have left the finite numbers. The
  // sum of a NaN is a NaN or, past the sign, zero.
  const magnitude_range range = range_of(word);
  const bool normal = (range.least & 0x7c00u) != 0 && (range.least & 0x7c000000u) != 0;
  const bool below_largest =
      (range.greatest & 0x7fffu) < 0x7bffu && (range.greatest & 0x7fff0000u) < 0x7bff0000u;
  if (normal && below_largest) return;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    word[i] =
        truncated_pair(dithered(h[2 * i], random.w[i]), dithered(h[2 * i + 1], random.w[i] >> 16));
  }
}

}  // namespace ssugraph::detail
