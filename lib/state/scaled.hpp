#pragma once

#include "lib/core/host_device.hpp"
#include "lib/device/octet.hpp"
#include "lib/random/philox.hpp"
#include "lib/state/stochastic_round.hpp"

#include <cmath>
#include <cstdint>
#include <type_traits>

/**
 * Scaled states: codes q, and a scale s for each row of dstate, h = q * s; one source for CPU and
 * GPU. Of a row of h, with QMAX the greatest code:
 *
 *     a = max |h|;  enc = QMAX / a;  q = round(h * enc);  s = 1 / enc
 *
 * A row with a < 2^-100 is q = 0, s = 0; one with a NaN or an infinity is q = 0, s = NaN. Eight
 * codes are words as in memory.
 */
namespace ssugraph::detail {

/** A sign, four bits of exponent and three of mantissa, without infinities: e4m3fn. */
struct float8_e4m3 {
  std::uint8_t bits;
};

template <class T>
inline constexpr bool is_scaled_code =
    std::is_same_v<T, std::int8_t> || std::is_same_v<T, std::int16_t> ||
    std::is_same_v<T, float8_e4m3>;

/** QMAX. */
template <class Code>
inline constexpr float greatest_code = std::is_same_v<Code, std::int8_t>    ? 127.0f
                                       : std::is_same_v<Code, std::int16_t> ? 32767.0f
                                                                            : 448.0f;

// --- Arithmetic of both sides --------------------------------------------------------------------

SSUGRAPH_HOST_DEVICE inline float fused(float a, float b, float c) {
#ifdef __CUDA_ARCH__
  return __fmaf_rn(a, b, c);
#else
  return std::fma(a, b, c);
#endif
}

/** The greater magnitude; NaN if either is. */
SSUGRAPH_HOST_DEVICE inline float greater_magnitude(float a, float b) {
  a = std::fabs(a);
  b = std::fabs(b);
#ifdef __CUDA_ARCH__
  float result;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#else
  return a > b || std::isnan(a) ? a : b;
#endif
}

/** Of the eight bytes of a and b, low ones first, those that the digits of `which` say. */
SSUGRAPH_HOST_DEVICE inline std::uint32_t bytes_of(std::uint32_t a, std::uint32_t b,
                                                   std::uint32_t which) {
#ifdef __CUDA_ARCH__
  return __byte_perm(a, b, which);
#else
  const std::uint64_t both = std::uint64_t{b} << 32 | a;
  std::uint32_t result = 0;
  for (int i = 0; i < 4; ++i)
    result |= static_cast<std::uint32_t>(both >> 8 * (which >> 4 * i & 7u) & 0xffu) << 8 * i;
  return result;
#endif
}

/** 2^23 and `bits`, fewer than 23 of them, more. */
inline constexpr std::uint32_t units_of_2_to_23 = 0x4b000000u;

// --- A row ---------------------------------------------------------------------------------------

SSUGRAPH_HOST_DEVICE inline float greatest_of(const float (&h)[octet_size]) {
  float greatest = greater_magnitude(h[0], h[1]);
  for (int i = 2; i < octet_size; ++i)
    greatest = greater_magnitude(greatest, h[i]);
  return greatest;
}

struct row_scale {
  float encode;  ///< enc; 0 of rows whose codes are all 0
  float decode;  ///< s
};

/** Of a row whose greatest magnitude is `greatest`, NaN if it has one. `Stochastic`: integers are
 *  to be rounded so, and enc is the float below where enc * a is above QMAX, for that plus almost 1
 *  must stay below QMAX + 1. */
template <class Code, bool Stochastic>
SSUGRAPH_HOST_DEVICE inline row_scale scale_of(float greatest) {
  constexpr std::uint32_t infinity = 0x7f800000u;
  constexpr std::uint32_t quiet_nan = 0x7fc00000u;
  if (!(greatest < bits_float(infinity))) return {0.0f, bits_float(quiet_nan)};
  if (greatest < 0x1p-100f) return {0.0f, 0.0f};
  float encode = greatest_code<Code> / greatest;
  if constexpr (Stochastic && !std::is_same_v<Code, float8_e4m3>) {
    const bool exceeds = fused(encode, greatest, -greatest_code<Code>) > 0.0f;
    encode = exceeds ? bits_float(float_bits(encode) - 1) : encode;
  }
  return {encode, 1.0f / encode};
}

// --- One code ------------------------------------------------------------------------------------

SSUGRAPH_HOST_DEVICE inline float float_of(float8_e4m3 code) {
  const std::uint32_t magnitude = code.bits & 0x7fu;
  const std::uint32_t sign = static_cast<std::uint32_t>(code.bits & 0x80u) << 24;
  // Moved to the fields of an fp32, the exponent is 120 too small; the product mends subnormals.
  const float value = bits_float(magnitude << 20) * 0x1p120f;
  return magnitude == 0x7fu ? bits_float(0x7fc00000u) : bits_float(sign | float_bits(value));
}

/** To nearest even; above the greatest code, that. */
SSUGRAPH_HOST_DEVICE inline float8_e4m3 nearest_float8(float v) {
  const std::uint32_t bits = float_bits(v);
  const std::uint32_t sign = (bits >> 24) & 0x80u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {0x7f};
  std::uint32_t code;
  if (magnitude < 0x3c800000u) {
    // Below 2^-6 the spacing is 2^-9, which is that of fp32 from 2^14 on: the sum is rounded to it,
    // and v, a product, before.
    code = float_bits(fused(1.0f, bits_float(magnitude), 0x1p14f)) - float_bits(0x1p14f);
  } else {
    const std::uint32_t rounded = magnitude + 0x7ffffu + ((magnitude >> 20) & 1u);
    code = (rounded - 0x3c000000u) >> 20;
  }
  return {static_cast<std::uint8_t>(sign | (code < 0x7eu ? code : 0x7eu))};
}

/** Of |v| >= 2^-6: v with its magnitude moved to a multiple of the spacing, by 16 random bits; that
 *  of infinities is above the greatest code, too. */
SSUGRAPH_HOST_DEVICE inline float dithered_normal_float8(float v, std::uint32_t random) {
  return bits_float((float_bits(v) + (random << 4)) & 0xfff00000u);
}

/** Of |v| < 2^-6, where the spacing is 2^-9. */
SSUGRAPH_HOST_DEVICE inline float dithered_small_float8(float v, std::uint32_t random) {
  const float units = std::fabs(v) * 0x1p9f;
  const float whole = std::floor(units);
  const bool up = units - whole >= static_cast<float>(0x10000u - random) * 0x1p-16f;
  const float stored = (up ? whole + 1.0f : whole) * 0x1p-9f;
  return bits_float(float_bits(stored) | (float_bits(v) & 0x80000000u));
}

inline constexpr float least_normal_float8 = 0x1p-6f;

/** floor(h * enc + random / 2^16), an integer in the low bits. */
SSUGRAPH_HOST_DEVICE inline std::uint32_t floor_code(float h, float encode, std::uint32_t random) {
#ifdef __CUDA_ARCH__
  // Rounding down keeps every integer where it is; the units of the last sum are integers.
  constexpr std::uint32_t bits_of_128 = 0x43000000u;  // whose last bit is 2^-16
  const float dithered = __fmaf_rd(h, encode, __uint_as_float(bits_of_128 | random));
  return __float_as_uint(__fadd_rd(dithered, 0x1.8p23f - 128.0f));
#else
  if (encode == 0.0f) return 0;
  // Exact: a product of two floats is a double, and what is added to its floor an integer.
  const double units = std::floor(double{h} * double{encode} * 0x1p16) + random;
  return static_cast<std::uint32_t>(static_cast<std::int64_t>(std::floor(units * 0x1p-16)));
#endif
}

// --- Eight codes ---------------------------------------------------------------------------------

template <class Code>
SSUGRAPH_HOST_DEVICE void decode_octet(const std::uint32_t* word, float (&q)[octet_size]) {
  for (int i = 0; i < octet_size; ++i) {
    if constexpr (std::is_same_v<Code, std::int8_t>) {
      const std::uint32_t biased = word[i / 4] ^ 0x80808080u;
      q[i] = bits_float(bytes_of(biased, units_of_2_to_23, 0x7440u | i % 4)) - (0x1p23f + 128.0f);
    } else if constexpr (std::is_same_v<Code, std::int16_t>) {
      const std::uint32_t biased = word[i / 2] ^ 0x80008000u;
      const std::uint32_t half = i % 2 == 0 ? 0x7410u : 0x7432u;
      q[i] = bits_float(bytes_of(biased, units_of_2_to_23, half)) - (0x1p23f + 32768.0f);
    } else {
#if __CUDA_ARCH__ >= 890
      if (i % 2 == 1) continue;
      std::uint32_t pair;
      const std::uint32_t codes = word[i / 4] >> (i % 4 == 0 ? 0 : 16);
      asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"(static_cast<std::uint16_t>(codes)));
      asm("{ .reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low;"
          " cvt.f32.f16 %1, high; }"
          : "=f"(q[i]), "=f"(q[i + 1])
          : "r"(pair));
#else
      q[i] = float_of(float8_e4m3{static_cast<std::uint8_t>(word[i / 4] >> 8 * (i % 4))});
#endif
    }
  }
}

/** The low bits of eight words to what lies in memory. */
template <class Code>
SSUGRAPH_HOST_DEVICE void pack_octet(const std::uint32_t (&code)[octet_size],
                                     std::uint32_t (&word)[words_of_octet<Code>]) {
  constexpr int codes_a_word = octet_size / words_of_octet<Code>;
  for (int i = 0, first = 0; i < words_of_octet<Code>; ++i, first += codes_a_word) {
    if constexpr (codes_a_word == 2) {
      word[i] = bytes_of(code[first], code[first + 1], 0x5410u);
    } else {
      const std::uint32_t low = bytes_of(code[first], code[first + 1], 0x0040u);
      const std::uint32_t high = bytes_of(code[first + 2], code[first + 3], 0x0040u);
      word[i] = bytes_of(low, high, 0x5410u);
    }
  }
}

/** v to nearest; what is above the greatest code, to that. */
SSUGRAPH_HOST_DEVICE inline void pack_float8(const float (&v)[octet_size],
                                             std::uint32_t (&word)[2]) {
#if __CUDA_ARCH__ >= 890
  for (int i = 0; i < 2; ++i) {
    asm("{ .reg .b16 low, high; cvt.rn.satfinite.e4m3x2.f32 low, %2, %1;"
        " cvt.rn.satfinite.e4m3x2.f32 high, %4, %3; mov.b32 %0, {low, high}; }"
        : "=r"(word[i])
        : "f"(v[4 * i]), "f"(v[4 * i + 1]), "f"(v[4 * i + 2]), "f"(v[4 * i + 3]));
  }
#else
  std::uint32_t code[octet_size];
  for (int i = 0; i < octet_size; ++i)
    code[i] = nearest_float8(v[i]).bits;
  pack_octet<float8_e4m3>(code, word);
#endif
}

/** All codes of a row without any that counts. */
template <class Code>
SSUGRAPH_HOST_DEVICE void clear_unless(float encode, std::uint32_t (&word)[words_of_octet<Code>]) {
  for (int i = 0; i < words_of_octet<Code>; ++i)
    word[i] = encode != 0.0f ? word[i] : 0u;
}

/** To nearest, ties to even. */
template <class Code>
SSUGRAPH_HOST_DEVICE void encode_octet(const float (&h)[octet_size], float encode,
                                       std::uint32_t (&word)[words_of_octet<Code>]) {
  if constexpr (std::is_same_v<Code, float8_e4m3>) {
    float v[octet_size];
    for (int i = 0; i < octet_size; ++i)
      v[i] = h[i] * encode;
    pack_float8(v, word);
  } else {
    std::uint32_t code[octet_size];
    for (int i = 0; i < octet_size; ++i)
      code[i] = float_bits(fused(h[i], encode, 0x1.8p23f));  // a sum whose units are integers
    pack_octet<Code>(code, word);
  }
  clear_unless<Code>(encode, word);
}

/** By the half-words of `random`, low ones first; `encode` is that of stochastic rounding. */
template <class Code>
SSUGRAPH_HOST_DEVICE void encode_octet(const float (&h)[octet_size], float encode,
                                       const philox_words& random,
                                       std::uint32_t (&word)[words_of_octet<Code>]) {
  if constexpr (std::is_same_v<Code, float8_e4m3>) {
    float v[octet_size];
    float stored[octet_size];
    float least = least_normal_float8;
    for (int i = 0; i < octet_size; ++i) {
      v[i] = h[i] * encode;
      stored[i] = dithered_normal_float8(v[i], rounding_bits(random, i));
      least = std::fmin(least, std::fabs(v[i]));
    }
    if (least < least_normal_float8) {
      for (int i = 0; i < octet_size; ++i) {
        const float small = dithered_small_float8(v[i], rounding_bits(random, i));
        stored[i] = std::fabs(v[i]) < least_normal_float8 ? small : stored[i];
      }
    }
    pack_float8(stored, word);
  } else {
    std::uint32_t code[octet_size];
    for (int i = 0; i < octet_size; ++i)
      code[i] = floor_code(h[i], encode, rounding_bits(random, i));
    pack_octet<Code>(code, word);
  }
  clear_unless<Code>(encode, word);
}

}  // namespace ssugraph::detail
