#pragma once

#include "lib/core/host_device.hpp"

#include <cstdint>
#include <cstring>

/**
 * Stochastic rounding of fp32 to a 16-bit format, one source for CPU and GPU. With u the format's
 * spacing at |v| (subnormals included), r the random bits and k their number:
 *
 *     stored magnitude = floor(|v| / u + r / 2^k) * u, at most the largest finite value
 *
 * The sign stays, NaN stays NaN, a representable finite value never moves. The mean of the stored
 * magnitude over r is |v|, or below it by less than u / 2^k where v has finer bits than that.
 */
namespace ssugraph::detail {

SSUGRAPH_HOST_DEVICE inline std::uint32_t float_bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

SSUGRAPH_HOST_DEVICE inline float bits_float(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/** To bf16 by 16 random bits; returns the bf16's bits. */
SSUGRAPH_HOST_DEVICE inline std::uint16_t round_to_bfloat16(float value, std::uint32_t random) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fffu;
  // fp32 and bf16 share their exponents, so one bf16 spacing is 2^16 in the bits, everywhere.
  const std::uint32_t rounded = (magnitude + (random & 0xffffu)) >> 16;
  return static_cast<std::uint16_t>(sign | (rounded < 0x7f7fu ? rounded : 0x7f7fu));
}

/** To fp16 by the low 13 of the random bits; returns the fp16's bits. */
SSUGRAPH_HOST_DEVICE inline std::uint16_t round_to_float16(float value, std::uint32_t random) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t r = random & 0x1fffu;
  if (magnitude > 0x7f800000u) return 0x7fffu;
  std::uint32_t rounded;
  if (magnitude >= 0x38800000u) {
    rounded = (magnitude + r - 0x38000000u) >> 13;
  } else {
    // fp16 subnormals share one spacing, 2^-24. Scaling by 2^24 and both comparisons are exact.
    const float units = bits_float(magnitude) * 0x1p24f;
    const auto whole = static_cast<std::uint32_t>(units);
    const float fraction = units - static_cast<float>(whole);
    rounded = whole + (fraction >= static_cast<float>(8192u - r) * 0x1p-13f ? 1u : 0u);
  }
  return static_cast<std::uint16_t>(sign | (rounded < 0x7bffu ? rounded : 0x7bffu));
}

}  // namespace ssugraph::detail
