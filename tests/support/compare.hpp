#pragma once

#include "tests/support/ssu_oracle.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>

namespace ssugraph::test {

/** What every result may be off by, as a part of its tensor's largest magnitude. */
inline constexpr double relative_tolerance = 1e-5;

/** What an element of a scaled state may be off by, as a part of the magnitudes it is a sum of. */
inline constexpr double part_of_terms = 0x1p-19;

/** How far a tensor is from its float64 evaluation. */
struct tensor_error {
  double of_largest = 0;  ///< worst error over the largest magnitude
  double ulps = 0;        ///< worst error above relative_tolerance, in units in the last place
  std::int64_t failures = 0;
  std::string first_failure;
};

/**
 * Compares the elements that a call wrote, found in `after`, a copy of the memory `before` that
 * `expected` refers to. fp32: within relative_tolerance. 16-bit: within one unit in the last place,
 * or relative_tolerance. Stochastically rounded: what rounding of some value within
 * relative_tolerance gives by exactly the element's random bits. Scaled: the code that rounding of
 * some value within part_of_terms gives, and a scale that the greatest of such values gives to a
 * few units in the last place.
 */
[[nodiscard]] tensor_error compare(const expected_tensor& expected, const std::byte* before,
                                   const std::byte* after);

/** Bytes outside of the elements of `written` and their scales that differ; describes the first. */
[[nodiscard]] testing::AssertionResult untouched(std::span<const expected_tensor* const> written,
                                                 std::span<const std::byte> before,
                                                 std::span<const std::byte> after);

/** The same of a call. */
[[nodiscard]] testing::AssertionResult untouched(const expected_result& expected,
                                                 std::span<const std::byte> before,
                                                 std::span<const std::byte> after);

/** `compare` of state and out, and `untouched`. */
[[nodiscard]] testing::AssertionResult agrees(const expected_result& expected,
                                              std::span<const std::byte> before,
                                              std::span<const std::byte> after);

}  // namespace ssugraph::test
