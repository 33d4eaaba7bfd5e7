#include "tests/support/code_format.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace ssugraph::test {
namespace {

constexpr code_format int8_format{dtype::int8, 127};
constexpr code_format int16_format{dtype::int16, 32767};
constexpr code_format float8_format{dtype::float8_e4m3, 448};

constexpr int float8_mantissa_bits = 3;
constexpr int float8_least_exponent = -6;
constexpr double rows_are_zero_below = 0x1p-100;

__extension__ typedef __int128 wide;

/** floor(h * encode + random / 2^16): of a product of integers and a power of two. */
double exact_floor(float h, float encode, std::uint32_t random) {
  int h_exponent = 0;
  int exponent = 0;
  const auto mantissa = [](float value, int& power) {
    return static_cast<wide>(std::ldexp(std::frexp(double{value}, &power), 24));
  };
  const wide product = mantissa(h, h_exponent) * mantissa(encode, exponent);
  const int shift = h_exponent + exponent - 48 + 16;  // to units of 2^-16
  const wide units = shift >= 0 ? product << shift : product >> std::min(-shift, 100);
  return static_cast<double>((units + random) >> 16);
}

}  // namespace

double code_format::spacing(double value) const {
  if (type != dtype::float8_e4m3) return 1;
  const int exponent =
      value == 0 ? float8_least_exponent : std::max(std::ilogb(value), float8_least_exponent);
  return std::ldexp(1.0, exponent - float8_mantissa_bits);
}

double code_format::nearest(double value) const {
  const double unit = spacing(value);
  return std::clamp(std::nearbyint(value / unit) * unit, -most, most);
}

double code_format::dithered(double value, std::uint32_t random) const {
  const double up = std::ldexp(random, -16);
  if (type != dtype::float8_e4m3) return std::clamp(std::floor(value + up), -most, most);
  const double unit = spacing(value);
  const double magnitude = std::floor(std::abs(value) / unit + up) * unit;
  return std::copysign(std::min(magnitude, most), value);
}

double code_format::decode(std::uint32_t bits) const {
  if (type == dtype::int8) return static_cast<std::int8_t>(bits);
  if (type == dtype::int16) return static_cast<std::int16_t>(bits);
  const double sign = (bits & 0x80u) != 0 ? -1.0 : 1.0;
  const int mantissa = static_cast<int>(bits & 7u);
  const int exponent = static_cast<int>(bits >> float8_mantissa_bits & 15u);
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(mantissa, float8_least_exponent - 3);
  return sign * std::ldexp(8 + mantissa, exponent - 1 + float8_least_exponent - 3);
}

std::uint32_t code_format::encode(double value) const {
  if (type == dtype::int8) return static_cast<std::uint8_t>(static_cast<std::int8_t>(value));
  if (type == dtype::int16) return static_cast<std::uint16_t>(static_cast<std::int16_t>(value));
  const std::uint32_t sign = std::signbit(value) ? 0x80u : 0u;
  if (std::isnan(value)) return sign | 0x7fu;
  const auto units = static_cast<std::uint32_t>(std::abs(value) / spacing(value));
  if (units < 8) return sign | units;
  const auto exponent = static_cast<std::uint32_t>(std::ilogb(value) - float8_least_exponent + 1);
  return sign | exponent << float8_mantissa_bits | (units - 8);
}

const code_format& code_format_of(dtype type) {
  if (type == dtype::int8) return int8_format;
  if (type == dtype::int16) return int16_format;
  if (type == dtype::float8_e4m3) return float8_format;
  throw std::invalid_argument{"no codes of " + std::string{to_string(type)}};
}

float encode_factor(dtype type, float greatest, bool stochastic) {
  const auto most = static_cast<float>(code_format_of(type).most);
  const float encode = most / greatest;
  const bool is_integer = type != dtype::float8_e4m3;
  const bool too_much = double{encode} * double{greatest} > double{most};
  return stochastic && is_integer && too_much ? std::nextafter(encode, 0.0f) : encode;
}

stored_row exact_row(dtype type, std::span<const float> h, std::span<const std::uint32_t> random) {
  const code_format& format = code_format_of(type);
  stored_row row{std::vector<double>(h.size()), 0};
  float greatest = 0;
  for (const float each : h) {
    if (!std::isfinite(each)) return {row.codes, std::numeric_limits<float>::quiet_NaN()};
    greatest = std::max(greatest, std::abs(each));
  }
  if (greatest < rows_are_zero_below) return row;
  const float encode = encode_factor(type, greatest, !random.empty());
  row.scale = 1.0f / encode;
  const bool is_integer = type != dtype::float8_e4m3;
  for (std::size_t n = 0; n < h.size(); ++n) {
    const double product = double{h[n]} * double{encode};  // exact
    if (random.empty()) {
      row.codes[n] = format.nearest(is_integer ? product : double{static_cast<float>(product)});
    } else if (is_integer) {
      row.codes[n] = exact_floor(h[n], encode, random[n]);
    } else {
      row.codes[n] = format.dithered(static_cast<float>(product), random[n]);
    }
  }
  return row;
}

}  // namespace ssugraph::test
