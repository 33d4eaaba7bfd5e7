#include "lib/state/scaled.hpp"

#include "tests/lib/state/octet_rows.hpp"
#include "tests/support/code_format.hpp"
#include "tests/support/ssu_case.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace ssugraph::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

template <class Code>
class scaled_codec : public testing::Test {
 protected:
  static constexpr int count = detail::octet_size;
  static constexpr int bits = 8 * sizeof(Code);
  static constexpr float most = detail::greatest_code<Code>;
  using words = std::uint32_t[detail::words_of_octet<Code>];

  static const code_format& format() {
    return code_format_of(std::is_same_v<Code, std::int8_t>    ? dtype::int8
                          : std::is_same_v<Code, std::int16_t> ? dtype::int16
                                                               : dtype::float8_e4m3);
  }

  static std::uint32_t code_in(const words& word, int i) {
    Code codes[count];
    std::memcpy(codes, word, sizeof codes);
    return bits_of(codes[i]);
  }
  static std::uint32_t bits_of(Code code) {
    std::uint32_t all = 0;
    std::memcpy(&all, &code, sizeof code);
    return all;
  }

  /** Code of h in a row that is nothing but it, by enc: to nearest or by `random`. */
  static double nearest(float h, float encode) {
    const float octet[count]{h, h, h, h, h, h, h, h};
    words word;
    detail::encode_octet<Code>(octet, encode, word);
    return format().decode(code_in(word, 3));
  }
  static double stochastic(float h, float encode, std::uint32_t random) {
    const float octet[count]{h, h, h, h, h, h, h, h};
    const std::uint32_t both = random << 16 | random;
    words word;
    detail::encode_octet<Code>(octet, encode, detail::philox_words{{both, both, both, both}}, word);
    return format().decode(code_in(word, 6));
  }

  /** All that a code can be but -QMAX - 1 and NaN, which are never stored. */
  static std::vector<double> all_codes() {
    std::vector<double> values;
    for (std::uint32_t code = 0; code < 1u << bits; ++code) {
      const double value = format().decode(code);
      if (std::abs(value) <= most) values.push_back(value);
    }
    return values;
  }
};

TYPED_TEST_SUITE(scaled_codec, scaled_codes, scaled_code_names);

TYPED_TEST(scaled_codec, decodes_every_code_wherever_it_lies) {
  for (std::uint32_t code = 0; code < 1u << this->bits; ++code) {
    for (int i = 0; i < this->count; ++i) {
      TypeParam elements[detail::octet_size]{};
      std::memcpy(&elements[i], &code, sizeof elements[i]);
      typename TestFixture::words word;
      std::memcpy(word, elements, sizeof word);
      float q[detail::octet_size];
      detail::decode_octet<TypeParam>(word, q);
      const double expected = this->format().decode(code);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(q[i])) << code;
      } else {
        ASSERT_EQ(q[i], expected) << code;
        ASSERT_EQ(std::signbit(q[i]), std::signbit(expected)) << code;
      }
      ASSERT_EQ(q[(i + 1) % this->count], 0) << code;
    }
  }
}

TYPED_TEST(scaled_codec, stores_rows_of_every_kind_by_the_formulas) {
  for (std::uint64_t index = 0; index < 1 << 18; ++index) {
    const octet_row row = row_of_every_kind(index, this->most);
    const encoded_octet<TypeParam> got = encoded<TypeParam>(row);
    std::array<float, detail::octet_size + 1> h{};
    std::array<std::uint32_t, detail::octet_size + 1> random{};
    for (std::uint32_t i = 0; i < detail::octet_size; ++i) {
      h[i] = row.h[i];
      random[i] = row.random.w[i / 2] >> 16 * (i % 2) & 0xffffu;
    }
    h.back() = row.elsewhere;
    const dtype type = this->format().type;
    const stored_row nearest = exact_row(type, h);
    const stored_row stochastic = exact_row(type, h, random);
    if (std::isnan(nearest.scale)) {
      ASSERT_TRUE(std::isnan(got.scale.decode)) << index;
      ASSERT_TRUE(std::isnan(got.stochastic_scale.decode)) << index;
    } else {
      ASSERT_EQ(got.scale.decode, nearest.scale) << index;
      ASSERT_EQ(got.stochastic_scale.decode, stochastic.scale) << index;
    }
    for (int i = 0; i < this->count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      ASSERT_EQ(this->format().decode(this->code_in(got.nearest, i)), nearest.codes[at])
          << "row " << index << ", " << row.h[i];
      ASSERT_EQ(this->format().decode(this->code_in(got.stochastic, i)), stochastic.codes[at])
          << "row " << index << ", " << row.h[i] << " by " << random[at];
    }
  }
}

/** Between every two neighbours, to the even one. */
TYPED_TEST(scaled_codec, breaks_ties_to_even) {
  for (const double code : this->all_codes()) {
    const double half = this->format().spacing(code) / 2;
    const auto tie = static_cast<float>(std::abs(code) + half);
    if (tie > this->most) continue;
    const double expected = this->format().nearest(tie);
    ASSERT_EQ(std::fmod(expected / (2 * half), 2), 0) << tie;
    ASSERT_EQ(this->nearest(tie, 1.0f), expected) << tie;
    ASSERT_EQ(this->nearest(-tie, 1.0f), -expected) << tie;
    ASSERT_EQ(this->nearest(std::nextafter(tie, 0.0f), 1.0f), tie - half) << tie;
    ASSERT_EQ(this->nearest(std::nextafter(tie, infinity), 1.0f), tie + half) << tie;
  }
}

/** Every mantissa of the greatest magnitude, and bits that carry the most. */
TYPED_TEST(scaled_codec, never_stores_more_than_the_greatest_code) {
  constexpr detail::philox_words up{{~0u, ~0u, ~0u, ~0u}};
  constexpr detail::philox_words down{};
  for (std::uint32_t mantissa = 0; mantissa < 1u << 23; ++mantissa) {
    const float a = std::bit_cast<float>(0x3f800000u + mantissa);
    const float h[detail::octet_size]{a, -a, 0, 0, 0, 0, 0, 0};
    const float encode = detail::scale_of<TypeParam, false>(a).encode;
    const auto [within, decode] = detail::scale_of<TypeParam, true>(a);
    ASSERT_EQ(decode, 1.0f / within);
    ASSERT_LE(encode - within, encode * 0x1p-23f);
    typename TestFixture::words word;
    for (const auto& bits : {up, down}) {
      detail::encode_octet<TypeParam>(h, within, bits, word);
      const double above = this->format().decode(this->code_in(word, 0));
      const double below = this->format().decode(this->code_in(word, 1));
      ASSERT_LE(above, this->most) << a;
      ASSERT_GE(below, -this->most) << a;
      ASSERT_GE(above, this->most * 0.92) << a;  // float8_e4m3's next code is 416
      ASSERT_LE(below, -this->most * 0.92) << a;
    }
    detail::encode_octet<TypeParam>(h, encode, word);
    ASSERT_EQ(this->format().decode(this->code_in(word, 0)), this->most) << a;
    ASSERT_EQ(this->format().decode(this->code_in(word, 1)), -this->most) << a;
  }
}

TYPED_TEST(scaled_codec, dithers_by_every_half_word) {
  const bool is_float8 = this->most == 448;
  const float least = is_float8 ? 0x1p-9f : 1.0f;
  const std::vector<float> values{0.0f,
                                  0.3f * least,
                                  1.0f * least,
                                  std::nextafter(least, 0.0f),
                                  std::nextafter(least, 1.0f),
                                  6.999f * least,
                                  7.5f * least,
                                  1e-30f,
                                  0x1p-140f,
                                  0x1p-16f * least,
                                  std::nextafter(0x1p-16f * least, 0.0f),
                                  17.0625f,
                                  99.90234375f,
                                  0.9f * this->most,
                                  std::nextafter(this->most, 0.0f),
                                  this->most};
  for (const float value : values) {
    for (const float h : {value, -value}) {
      for (std::uint32_t random = 0; random <= 0xffff; ++random) {
        const stored_row row =
            exact_row(this->format().type, std::array{h, this->most}, std::array{random, 0u});
        ASSERT_EQ(this->stochastic(h, 1.0f, random), row.codes[0]) << h << " by " << random;
      }
    }
  }
}

/** q * s and the row's scale are fp32: the product may miss q by so much that the extreme
 * half-words see it, and no others do. */
TYPED_TEST(scaled_codec, leaves_what_it_stored_alone) {
  random_engine engine{base_seed()};
  const auto all = this->all_codes();
  const bool is_float8 = this->most == 448;
  const auto miss = static_cast<std::uint32_t>(is_float8 ? 1 : this->most * 0x1p-6f + 1);
  for (int i = 0; i < 200'000; ++i) {
    const auto scale =
        static_cast<float>(std::ldexp(uniform(engine, 1, 2), int(pick(engine, -90, 90))));
    const double code = all[static_cast<std::size_t>(pick(engine, 0, std::ssize(all) - 1))];
    const float greatest = this->most * scale;
    const float h = static_cast<float>(code) * scale;
    const detail::row_scale again = detail::scale_of<TypeParam, false>(greatest);
    ASSERT_NEAR(again.decode / scale, 1, 0x1p-22);
    ASSERT_EQ(this->nearest(h, again.encode), code);
    const float within = detail::scale_of<TypeParam, true>(greatest).encode;
    for (const std::uint32_t random : {miss, 0x8000u, 0xffffu - miss})
      ASSERT_EQ(this->stochastic(h, within, random), code) << scale << " by " << random;
  }
}

TYPED_TEST(scaled_codec, rows_without_a_number_or_too_small_have_no_codes) {
  const float nan = std::bit_cast<float>(0x7fc00000u);
  for (const float bad : {nan, -nan, infinity, -infinity, std::bit_cast<float>(0x7f800001u)}) {
    octet_row row{{1, 2, 3, bad, 5, 6, 7, 8}, 100, {{1, 2, 3, 4}}};
    const auto got = encoded<TypeParam>(row);
    EXPECT_TRUE(std::isnan(got.scale.decode));
    for (int i = 0; i < this->count; ++i) {
      EXPECT_EQ(this->code_in(got.nearest, i), 0u);
      EXPECT_EQ(this->code_in(got.stochastic, i), 0u);
    }
  }
  for (const float small : {0.0f, -0.0f, 0x1p-149f, std::nextafter(0x1p-100f, 0.0f)}) {
    octet_row row{{small, -small, 0, 0, 0, 0, 0, small}, 0, {{~0u, ~0u, ~0u, ~0u}}};
    const auto got = encoded<TypeParam>(row);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(got.scale.decode), 0u);
    for (int i = 0; i < this->count; ++i) {
      EXPECT_EQ(this->code_in(got.nearest, i), 0u);
      EXPECT_EQ(this->code_in(got.stochastic, i), 0u);
    }
  }
  const auto decode_of = [](float a) { return detail::scale_of<TypeParam, false>(a).decode; };
  EXPECT_GT(decode_of(0x1p-100f), 0.0f);
  const float largest = std::numeric_limits<float>::max();
  EXPECT_NEAR(decode_of(largest) / (largest / this->most), 1, 0x1p-22);
}

/** 2^20 elements whose codes are anywhere: below half a percent of a unit off. */
TYPED_TEST(scaled_codec, is_unbiased_over_a_million_elements) {
  constexpr std::uint64_t elements = 1 << 20;
  random_engine engine{base_seed()};
  for (const double range :
       {double{this->most}, 0.02 * this->most, 4 * this->format().spacing(0)}) {
    double sum = 0;
    for (std::uint64_t first = 0; first < elements; first += detail::octet_size) {
      float h[detail::octet_size];
      for (float& each : h)
        each = static_cast<float>(uniform(engine, -range, range));
      const auto random = detail::rounding_words(
          77, static_cast<std::uint32_t>(first / detail::octet_size), 0, 1, 10);
      typename TestFixture::words word;
      detail::encode_octet<TypeParam>(h, 1.0f, random, word);
      for (int i = 0; i < this->count; ++i)
        sum +=
            (this->format().decode(this->code_in(word, i)) - h[i]) / this->format().spacing(h[i]);
    }
    EXPECT_LT(std::abs(sum / elements), 0.005) << range;
  }
}

/** Codes and scale are of one enc: an idle state would shrink if the codes alone were of the float
 * below. What is left is how 1 / enc is rounded. */
TEST(scaled_rows, keep_their_size_however_often_they_are_stored) {
  constexpr int rows = 256, columns = 64, stores = 1024;
  random_engine engine{base_seed()};
  double before = 0;
  double along = 0;
  for (int row = 0; row < rows; ++row) {
    std::vector<float> first(columns);
    for (float& each : first)
      each = static_cast<float>(uniform(engine, -3, 3));
    std::vector<float> h = first;
    for (int store = 0; store < stores; ++store) {
      float greatest = 0;
      for (const float each : h)
        greatest = detail::greater_magnitude(greatest, each);
      const auto [encode, decode] = detail::scale_of<std::int16_t, true>(greatest);
      for (std::size_t n = 0; n < h.size(); ++n) {
        const auto random = static_cast<std::uint32_t>(engine()) & 0xffffu;
        const auto code = static_cast<std::int16_t>(detail::floor_code(h[n], encode, random));
        h[n] = static_cast<float>(code) * decode;
      }
    }
    for (std::size_t n = 0; n < h.size(); ++n) {
      before += double{first[n]} * double{first[n]};
      along += double{first[n]} * double{h[n]};
    }
  }
  EXPECT_NEAR(along / before, 1, 2.4e-5);
}

}  // namespace
}  // namespace ssugraph::test
