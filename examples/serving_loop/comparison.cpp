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
    case dtype::float8_e4m3:
      return {3, -6};
    case dtype::int32:
    case dtype::int64:
    case dtype::int8:
    case dtype::int16:
      break;
  }
  throw std::invalid_argument{"no float of " + std::string{to_string(type)}};
}

/** By its bits, without those of the sign. */
float from_bits(std::uint32_t magnitude, float_format format) {
  const auto exponent = static_cast<int>(magnitude >> format.mantissa_bits);
  const std::uint32_t hidden = 1U << format.mantissa_bits;
  const std::uint32_t mantissa = magnitude & (hidden - 1);
  const int scale = format.min_exponent - format.mantissa_bits;
  return exponent == 0 ? std::ldexp(static_cast<float>(mantissa), scale)
                       : std::ldexp(static_cast<float>(hidden + mantissa), scale + exponent - 1);
}

float from_float16(std::uint16_t bits) {
  const float sign = (bits & 0x8000) != 0 ? -1.0F : 1.0F;
  if ((bits & 0x7c00) == 0x7c00) return (bits & 0x3ff) == 0 ? sign * INFINITY : NAN;
  return sign * from_bits(bits & 0x7fff, format_of(dtype::float16));
}

float from_float8(std::uint8_t bits) {
  const float sign = (bits & 0x80) != 0 ? -1.0F : 1.0F;
  return (bits & 0x7f) == 0x7f ? NAN : sign * from_bits(bits & 0x7f, format_of(dtype::float8_e4m3));
}

template <class T>
T load(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

float read(const void* data, dtype type, std::size_t element) {
  const auto* address = static_cast<const std::byte*>(data) + element * ssugraph::size_of(type);
  switch (type) {
    case dtype::float32:
      return load<float>(address);
    case dtype::float16:
      return from_float16(load<std::uint16_t>(address));
    case dtype::bfloat16: {
      const std::uint32_t wide = std::uint32_t{load<std::uint16_t>(address)} << 16;
      return load<float>(reinterpret_cast<const std::byte*>(&wide));
    }
    case dtype::int16:
      return load<std::int16_t>(address);
    case dtype::int8:
      return load<std::int8_t>(address);
    case dtype::float8_e4m3:
      return from_float8(load<std::uint8_t>(address));
    case dtype::int32:
    case dtype::int64:
      break;
  }
  throw std::invalid_argument{"no state of " + std::string{to_string(type)}};
}

/** The distance to the next number of its dtype; none of fp32, which is not rounded. */
double unit_in_last_place(float value, dtype type) {
  if (type == dtype::float32) return 0;
  if (type == dtype::int16 || type == dtype::int8) return 1;
  const float_format format = format_of(type);
  return std::ldexp(1.0, std::max(std::ilogb(value), format.min_exponent) - format.mantissa_bits);
}

/** An element as it is stored, and what it stands for. */
struct number {
  number(const stored_numbers& from, dtype type, std::size_t element)
      : stored{read(from.data, type, element)},
        scale{from.scales == nullptr ? 1 : from.scales[element / from.row]},
        value{stored * scale} {}

  float stored;
  float scale;
  float value;
};

/** What the two may be apart for being rounded, each. */
double rounding_of(const number& a, const number& b, dtype type) {
  return unit_in_last_place(std::max(std::abs(a.stored), std::abs(b.stored)), type) *
         double{std::max(a.scale, b.scale)};
}

}  // namespace

difference compare(std::string_view what, const stored_numbers& got, const stored_numbers& want,
                   dtype type, std::size_t count, const tolerance& allowed) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i)
    largest = std::max(largest, std::abs(number{want, type, i}.value));

  double worst = 0;
  std::size_t differing = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const number here{got, type, i};
    const number there{want, type, i};
    if (here.value == there.value) continue;
    const double most =
        allowed.units * rounding_of(here, there, type) + allowed.share * double{largest};
    // The value itself may lie as far off as the tolerance.
    if (allowed.zeroes_subnormals && here.value == 0 &&
        std::abs(there.value) <= std::ldexp(1.0, format_of(type).min_exponent) + most)
      continue;
    const double error = std::abs(double{here.value} - double{there.value});
    if (!(error <= most)) {  // a NaN is an error, too
      throw check_failure{
          fmt::format("{}, element {}: got {}, the reference has {}; error {:.3g} "
                      "is above the tolerance {:.3g}",
                      what, i, here.value, there.value, error, most)};
    }
    worst = std::max(worst, error / most);
    differing += here.stored == there.stored ? 0 : 1;
  }
  return {worst, double(differing) / double(count)};
}

}  // namespace serving_loop
