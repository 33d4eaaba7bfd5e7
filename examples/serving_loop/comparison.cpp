#include "comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace serving_loop {
namespace {

using ssugraph::dtype;

/** Bits of a float format behind the sign. */
struct float_format {
  int mantissa_bits;
  int min_exponent;  ///< of normal numbers
};

float_format format_of(dtype type) {
  switch (type) {
    case dtype::float16:
      return {10, -14};
    case dtype::bfloat16:
      return {7, -126};
    case dtype::float32:
      return {23, -126};
    case dtype::int32:
    case dtype::int64:
    case dtype::int8:
    case dtype::int16:
    case dtype::float8_e4m3:
      break;
  }
  throw std::invalid_argument{"no state of " + std::string{to_string(type)}};
}

float from_float16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const auto mantissa = static_cast<float>(bits & 0x3ff);
  const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
  if (exponent == 0x1f) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign *
         (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25));
}

float read(const void* data, dtype type, std::size_t element) {
  const auto* bytes = static_cast<const std::byte*>(data) + element * ssugraph::size_of(type);
  float value = 0;
  if (type == dtype::float32) {
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  if (type == dtype::float16) return from_float16(bits);
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/** The distance to the next number of its dtype. */
double unit_in_last_place(float value, dtype type) {
  const float_format format = format_of(type);
  return std::ldexp(1.0, std::max(std::ilogb(value), format.min_exponent) - format.mantissa_bits);
}

}  // namespace

difference compare(std::string_view what, const void* got, const void* want, dtype type,
                   std::size_t count, bool own_rounding) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i)
    largest = std::max(largest, std::abs(read(want, type, i)));

  double worst = 0;
  std::size_t differing = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float here = read(got, type, i);
    const float there = read(want, type, i);
    if (here == there) continue;
    const double last_place =
        type == dtype::float32
            ? 0
            : unit_in_last_place(std::max(std::abs(here), std::abs(there)), type);
    const double tolerance = (own_rounding ? 2 : 1) * last_place + 1e-5 * double{largest};
    // The value itself may lie as far off as the tolerance.
    const double smallest_normal = std::ldexp(1.0, format_of(type).min_exponent);
    if (own_rounding && here == 0 && std::abs(there) <= smallest_normal + tolerance) continue;
    const double error = std::abs(double{here} - double{there});
    if (!(error <= tolerance)) {  // a NaN is an error, too
      throw check_failure{
          fmt::format("{}, element {}: got {}, the reference has {}; error {:.3g} "
                      "is above the tolerance {:.3g}",
                      what, i, here, there, error, tolerance)};
    }
    worst = std::max(worst, error / tolerance);
    ++differing;
  }
  return {worst, double(differing) / double(count)};
}

}  // namespace serving_loop
