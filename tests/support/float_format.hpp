#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cmath>
#include <cstdint>

/**
 * Floating-point formats and strided elements, evaluated in float64 by arithmetic alone: nothing
 * here shares code with what it checks.
 */
namespace ssugraph::test {

struct float_format {
  int mantissa_bits;
  int min_exponent;  ///< of the smallest normal number
  int max_exponent;
  int random_bits;  ///< that stochastic rounding uses

  [[nodiscard]] double largest() const;
  [[nodiscard]] double smallest_normal() const { return std::ldexp(1.0, min_exponent); }
  /** Distance from |value| to the next larger magnitude; subnormals included. */
  [[nodiscard]] double spacing(double value) const;
  [[nodiscard]] double decode(std::uint32_t bits) const;
  /** Nearest, ties to even, overflow to infinity. */
  [[nodiscard]] std::uint32_t encode(double value) const;
  /** floor(|value| / u + random / 2^k) * u with the sign of `value`, at most the largest. */
  [[nodiscard]] double round_stochastically(double value, std::uint32_t random) const;
};

/** Throws std::invalid_argument for an integer type. */
[[nodiscard]] const float_format& format_of(dtype type);

/** Of a scaled type, the code: without its scale. */
[[nodiscard]] double load(const void* address, dtype type);
/** To nearest. */
void store(void* address, dtype type, double value);
[[nodiscard]] std::int64_t load_index(const void* address, dtype type);
void store_index(void* address, dtype type, std::int64_t value);

/** Address of one element; as many indices as the tensor has axes. */
template <class... Index>
[[nodiscard]] std::byte* address_of(const tensor_view& tensor, Index... index) {
  std::int64_t offset = 0;
  int axis = 0;
  ((offset += static_cast<std::int64_t>(index) * tensor.stride(axis++)), ...);
  return static_cast<std::byte*>(tensor.data()) + offset * size_of(tensor.dtype());
}

}  // namespace ssugraph::test
