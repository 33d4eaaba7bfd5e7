#include "tests/support/float_format.hpp"

#include "tests/support/code_format.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

namespace ssugraph::test {
namespace {

constexpr float_format float32_format{23, -126, 127, 0};
constexpr float_format float16_format{10, -14, 15, 13};
constexpr float_format bfloat16_format{7, -126, 127, 16};

template <class Value>
Value read(const void* address) {
  Value value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

template <class Value>
void write(void* address, Value value) {
  std::memcpy(address, &value, sizeof value);
}

}  // namespace

double float_format::largest() const {
  return std::ldexp(2.0 - std::ldexp(1.0, -mantissa_bits), max_exponent);
}

double float_format::spacing(double value) const {
  const int exponent = value == 0 ? min_exponent : std::max(std::ilogb(value), min_exponent);
  return std::ldexp(1.0, exponent - mantissa_bits);
}

double float_format::decode(std::uint32_t bits) const {
  const int exponent_bits = max_exponent == 15 ? 5 : 8;
  const auto mantissa = static_cast<double>(bits & ((1u << mantissa_bits) - 1));
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double sign = ((bits >> (mantissa_bits + exponent_bits)) & 1u) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, min_exponent - mantissa_bits);
  return sign * std::ldexp(mantissa + std::ldexp(1.0, mantissa_bits),
                           exponent - 1 + min_exponent - mantissa_bits);
}

std::uint32_t float_format::encode(double value) const {
  const int exponent_bits = max_exponent == 15 ? 5 : 8;
  const std::uint32_t sign = std::signbit(value) ? 1u << (mantissa_bits + exponent_bits) : 0u;
  const std::uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
  if (std::isnan(value)) return sign | infinity | (1u << (mantissa_bits - 1));
  if (std::isinf(value)) return sign | infinity;
  const double unit = spacing(value);
  const double rounded = std::nearbyint(std::abs(value) / unit) * unit;
  if (rounded > largest()) return sign | infinity;
  const double unit_of_rounded = spacing(rounded);
  const auto mantissa = static_cast<std::uint32_t>(rounded / unit_of_rounded);
  const std::uint32_t implicit = 1u << mantissa_bits;
  if (mantissa < implicit) return sign | mantissa;
  const auto exponent = static_cast<std::uint32_t>(std::ilogb(rounded) - min_exponent + 1);
  return sign | (exponent << mantissa_bits) | (mantissa - implicit);
}

double float_format::round_stochastically(double value, std::uint32_t random) const {
  if (std::isnan(value)) return value;
  if (std::isinf(value)) return std::copysign(largest(), value);
  const double unit = spacing(value);
  const double used = random & ((1u << random_bits) - 1);
  const double units = std::floor(std::abs(value) / unit + std::ldexp(used, -random_bits));
  return std::copysign(std::min(units * unit, largest()), value);
}

const float_format& format_of(dtype type) {
  switch (type) {
    case dtype::float32:
      return float32_format;
    case dtype::float16:
      return float16_format;
    case dtype::bfloat16:
      return bfloat16_format;
    case dtype::int32:
    case dtype::int64:
    case dtype::int8:
    case dtype::int16:
    case dtype::float8_e4m3:
      break;
  }
  throw std::invalid_argument{"no format of " + std::string{to_string(type)}};
}

double load(const void* address, dtype type) {
  if (type == dtype::float32) return read<float>(address);
  if (is_scaled(type)) {
    const bool one_byte = size_of(type) == 1;
    return code_format_of(type).decode(one_byte ? read<std::uint8_t>(address)
                                                : read<std::uint16_t>(address));
  }
  return format_of(type).decode(read<std::uint16_t>(address));
}

void store(void* address, dtype type, double value) {
  if (type == dtype::float32) return write(address, static_cast<float>(value));
  if (is_scaled(type)) {
    const code_format& format = code_format_of(type);
    const std::uint32_t bits = format.encode(format.nearest(value));
    if (size_of(type) == 1) return write(address, static_cast<std::uint8_t>(bits));
    return write(address, static_cast<std::uint16_t>(bits));
  }
  write(address, static_cast<std::uint16_t>(format_of(type).encode(value)));
}

std::int64_t load_index(const void* address, dtype type) {
  return type == dtype::int32 ? read<std::int32_t>(address) : read<std::int64_t>(address);
}

void store_index(void* address, dtype type, std::int64_t value) {
  if (type == dtype::int32) return write(address, static_cast<std::int32_t>(value));
  write(address, value);
}

}  // namespace ssugraph::test
