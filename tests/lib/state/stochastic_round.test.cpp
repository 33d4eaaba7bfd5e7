#include "lib/state/stochastic_round.hpp"

#include "lib/random/philox.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_case.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ssugraph::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct rounding {
  const char* name;
  dtype type;
  std::uint16_t (*round)(float, std::uint32_t);

  [[nodiscard]] const float_format& format() const { return format_of(type); }
  [[nodiscard]] double operator()(float value, std::uint32_t random) const {
    return format().decode(round(value, random));
  }
};

std::ostream& operator<<(std::ostream& stream, const rounding& r) {
  return stream << r.name;
}

/** Random bits as the library deals them out: 2^20 elements are `draws(0..2^17-1)`. */
std::uint32_t bits_of_element(std::uint64_t element) {
  const auto words = detail::rounding_words(77, static_cast<std::uint32_t>(element >> 3), 0, 1, 10);
  return detail::rounding_bits(words, static_cast<std::uint32_t>(element));
}

constexpr std::uint64_t draws = std::uint64_t{1} << 20;

class stochastic_rounding : public testing::TestWithParam<rounding> {};

TEST_P(stochastic_rounding, is_the_formula_for_all_sorts_of_values) {
  random_engine engine{base_seed()};
  for (int i = 0; i < 400'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(engine()));
    const auto random = static_cast<std::uint32_t>(engine());
    if (std::isnan(value)) continue;
    const double expected = GetParam().format().round_stochastically(value, random);
    ASSERT_EQ(GetParam()(value, random), expected) << value << ' ' << random;
    ASSERT_EQ(std::signbit(GetParam()(value, random)), std::signbit(value)) << value;
  }
}

TEST_P(stochastic_rounding, is_the_formula_where_the_format_lives) {
  random_engine engine{base_seed()};
  const float_format& format = GetParam().format();
  for (int i = 0; i < 400'000; ++i) {
    const int exponent = static_cast<int>(
        pick(engine, format.min_exponent - format.mantissa_bits - 3, format.min_exponent + 30));
    const auto value = static_cast<float>(std::ldexp(uniform(engine, -2, 2), exponent));
    const auto random = static_cast<std::uint32_t>(engine());
    ASSERT_EQ(GetParam()(value, random), format.round_stochastically(value, random))
        << value << ' ' << random;
  }
}

TEST_P(stochastic_rounding, gives_neighbours_only) {
  random_engine engine{base_seed()};
  for (int i = 0; i < 200'000; ++i) {
    const auto value =
        static_cast<float>(std::ldexp(uniform(engine, -2, 2), int(pick(engine, -30, 14))));
    const double spacing = GetParam().format().spacing(value);
    const double rounded = GetParam()(value, static_cast<std::uint32_t>(engine()));
    ASSERT_LT(std::abs(rounded - value), spacing) << value;
  }
}

TEST_P(stochastic_rounding, never_moves_a_representable_value) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const double value = GetParam().format().decode(bits);
    if (!std::isfinite(value)) continue;
    for (const std::uint32_t random : {0u, 1u, 0x1fffu, 0xffffu, 0xffffffffu}) {
      ASSERT_EQ(GetParam().round(static_cast<float>(value), random), bits) << value;
    }
  }
}

TEST_P(stochastic_rounding, uses_k_bits_and_no_other) {
  const std::uint32_t mask = (1u << GetParam().format().random_bits) - 1;
  random_engine engine{base_seed()};
  for (int i = 0; i < 10'000; ++i) {
    const auto value = static_cast<float>(uniform(engine, -8, 8));
    const auto random = static_cast<std::uint32_t>(engine());
    ASSERT_EQ(GetParam().round(value, random), GetParam().round(value, random & mask));
  }
}

TEST_P(stochastic_rounding, mean_is_the_value) {
  const float_format& format = GetParam().format();
  for (const double fraction : {0.0625, 1.0 / 3, 0.5, 0.875}) {
    for (const double start : {1.0, -1.5, format.spacing(0) * 5}) {
      const double spacing = format.spacing(start);
      const auto value = static_cast<float>(start + std::copysign(fraction * spacing, start));
      double sum = 0;
      for (std::uint64_t i = 0; i < draws; ++i) {
        sum += (GetParam()(value, bits_of_element(i)) - value) / spacing;
      }
      EXPECT_LT(std::abs(sum / draws), 0.005) << value;
    }
  }
}

TEST_P(stochastic_rounding, chi_square_over_the_fraction) {
  constexpr int bins = 32;
  const float_format& format = GetParam().format();
  for (const double start : {1.0, format.spacing(0) * 7}) {
    const double spacing = format.spacing(start);
    double chi_square = 0;
    for (int bin = 0; bin < bins; ++bin) {
      const double fraction = (bin + 0.5) / bins;
      const auto value = static_cast<float>(start + fraction * spacing);
      constexpr std::uint64_t count = draws / bins;
      double ups = 0;
      for (std::uint64_t i = 0; i < count; ++i) {
        ups += GetParam()(value, bits_of_element(bin * count + i)) > value ? 1 : 0;
      }
      const double expected = count * fraction;
      chi_square += (ups - expected) * (ups - expected) / (expected * (1 - fraction));
    }
    EXPECT_LT(chi_square, 62.5) << "32 degrees of freedom, probability 0.001";
    EXPECT_GT(chi_square, 11.9) << "too even to be random: probability 0.001";
  }
}

TEST_P(stochastic_rounding, every_half_word_of_a_draw_serves_alike) {
  const double spacing = GetParam().format().spacing(1.0);
  const auto value = static_cast<float>(1.0 + spacing / 4);
  double ups[8]{};
  for (std::uint64_t i = 0; i < draws; ++i) {
    ups[i % 8] += GetParam()(value, bits_of_element(i)) > value ? 1 : 0;
  }
  for (const double count : ups)
    EXPECT_NEAR(count / (draws / 8.0), 0.25, 0.005);
}

TEST_P(stochastic_rounding, saturates_at_the_largest_finite_value) {
  const double largest = GetParam().format().largest();
  const auto past =
      static_cast<float>(std::min<double>(largest * 1.001, std::numeric_limits<float>::max()));
  for (const std::uint32_t random : {0u, 0x1000u, 0xffffu}) {
    EXPECT_EQ(GetParam()(past, random), largest);
    EXPECT_EQ(GetParam()(-past, random), -largest);
    EXPECT_EQ(GetParam()(infinity, random), largest);
    EXPECT_EQ(GetParam()(-infinity, random), -largest);
    EXPECT_EQ(GetParam()(std::numeric_limits<float>::max(), random), largest);
  }
}

TEST_P(stochastic_rounding, keeps_nan_and_the_sign_of_zero) {
  for (const std::uint32_t nan :
       {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0x7fffffffu, 0xff800001u}) {
    for (const std::uint32_t random : {0u, 0xffffu}) {
      EXPECT_TRUE(std::isnan(GetParam()(std::bit_cast<float>(nan), random))) << nan;
    }
  }
  EXPECT_EQ(GetParam().round(0.0f, 0xffff), 0x0000);
  EXPECT_EQ(GetParam().round(-0.0f, 0xffff), 0x8000);
}

INSTANTIATE_TEST_SUITE_P(
    , stochastic_rounding,
    testing::Values(rounding{"fp16", dtype::float16, &detail::round_to_float16},
                    rounding{"bf16", dtype::bfloat16, &detail::round_to_bfloat16}),
    [](const auto& info) { return std::string{info.param.name}; });

}  // namespace
}  // namespace ssugraph::test
