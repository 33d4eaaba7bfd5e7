#include "comparison.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>

namespace serving_loop {
namespace {

using ssugraph::dtype;

constexpr std::array<float, 2> scales{0.5F, 0.25F};

template <class Codes>
stored_numbers numbers(const Codes& codes, const std::array<float, 2>& scaled_by = scales) {
  return {.data = codes.data(), .scales = scaled_by.data(), .row = codes.size() / 2};
}

TEST(comparison, allows_a_code_to_be_one_off) {
  const std::array<std::int8_t, 4> got{100, -3, 7, 1};
  const std::array<std::int8_t, 4> want{100, -4, 7, 1};
  const difference found = compare("state", numbers(got), numbers(want), dtype::int8, 4);
  EXPECT_NEAR(found.error, 1, 0.01);
  EXPECT_EQ(found.elements, 0.25);
}

TEST(comparison, refuses_two) {
  const std::array<std::int16_t, 4> got{1000, -3, 7, 1};
  const std::array<std::int16_t, 4> want{1000, -5, 7, 1};
  EXPECT_THROW(compare("state", numbers(got), numbers(want), dtype::int16, 4), check_failure);
}

TEST(comparison, goes_by_the_unit_of_an_e4m3_code) {
  const std::array<std::uint8_t, 4> want{0x7e, 0x38, 0x01, 0x80};  // 448, 1, 2^-9, -0
  std::array<std::uint8_t, 4> got = want;
  got[0] = 0x7d;
  EXPECT_NO_THROW(compare("state", numbers(got), numbers(want), dtype::float8_e4m3, 4));
  got[1] = 0x3a;
  EXPECT_THROW(compare("state", numbers(got), numbers(want), dtype::float8_e4m3, 4), check_failure);
}

TEST(comparison, holds_scales_to_what_a_row_decodes_to) {
  const std::array<std::int16_t, 2> codes{32767, -20000};
  const std::array<float, 2> close{0.5F, 0.25F * 1.000001F};
  const std::array<float, 2> wrong{0.5F, 0.25F * 1.001F};
  const difference found = compare("state", numbers(codes, close), numbers(codes), dtype::int16, 2);
  EXPECT_EQ(found.elements, 0);
  EXPECT_THROW(compare("state", numbers(codes, wrong), numbers(codes), dtype::int16, 2),
               check_failure);
}

TEST(comparison, refuses_a_scale_that_is_no_number) {
  const std::array<std::int8_t, 2> codes{0, 1};
  const std::array<float, 2> none{NAN, NAN};
  EXPECT_THROW(compare("state", numbers(codes, none), numbers(codes), dtype::int8, 2),
               check_failure);
  EXPECT_THROW(compare("state", numbers(codes), numbers(codes, none), dtype::int8, 2),
               check_failure);
}

}  // namespace
}  // namespace serving_loop
