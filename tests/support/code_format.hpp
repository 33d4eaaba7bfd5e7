#pragma once

#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <span>
#include <vector>

/**
 * Codes of scaled states, by the formulas of ssu.hpp in float64 and integers: nothing here shares
 * code with what it checks.
 */
namespace ssugraph::test {

struct code_format {
  dtype type;
  double most;  ///< QMAX

  /** Distance from |value| to the next larger magnitude; 1 of integers. */
  [[nodiscard]] double spacing(double value) const;
  /** Nearest, ties to even, at most QMAX in magnitude. */
  [[nodiscard]] double nearest(double value) const;
  /** With r of 2^16: floor(value + r / 2^16), of float8_e4m3 that of magnitudes in its spacing. */
  [[nodiscard]] double dithered(double value, std::uint32_t random) const;
  /** The code's own value, without a scale. */
  [[nodiscard]] double decode(std::uint32_t bits) const;
  /** The bits of a value that is a code's. */
  [[nodiscard]] std::uint32_t encode(double value) const;
};

/** Throws std::invalid_argument for a type that is not scaled. */
[[nodiscard]] const code_format& code_format_of(dtype type);

/** A row as it is stored. */
struct stored_row {
  std::vector<double> codes;
  float scale;
};

/** By what a row whose greatest magnitude is `greatest` is encoded. */
[[nodiscard]] float encode_factor(dtype type, float greatest, bool stochastic);

/** What `h` is stored as, to the bit: to nearest or, if `random` has its bits, stochastically. */
[[nodiscard]] stored_row exact_row(dtype type, std::span<const float> h,
                                   std::span<const std::uint32_t> random = {});

}  // namespace ssugraph::test
