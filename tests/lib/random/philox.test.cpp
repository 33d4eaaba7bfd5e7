#include "lib/random/philox.hpp"

#include "tests/support/ssu_case.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/random.hpp>

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace ssugraph::test {
namespace {

using words = std::vector<std::uint32_t>;

words philox(detail::philox_words counter, std::uint64_t key, int rounds) {
  const detail::philox_words result = detail::philox4x32(counter, key, rounds);
  return {result.w, result.w + 4};
}

// The known answers that the authors of "Parallel random numbers" publish with their code.
TEST(philox, known_answers) {
  constexpr std::uint32_t ones = 0xffffffffu;
  EXPECT_EQ(philox({{0, 0, 0, 0}}, 0, 10), (words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({{ones, ones, ones, ones}}, ~std::uint64_t{0}, 10),
            (words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822u, 10),
            (words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(philox, agrees_with_the_oracle_for_all_rounds) {
  random_engine engine{base_seed()};
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t key = engine();
    const std::uint64_t low = engine();
    const std::uint64_t high = engine();
    const int rounds = static_cast<int>(pick(engine, 1, 10));
    const auto expected = oracle_philox(key, low, high, rounds);
    const detail::philox_words counter{
        {static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(low >> 32),
         static_cast<std::uint32_t>(high), static_cast<std::uint32_t>(high >> 32)}};
    ASSERT_EQ(philox(counter, key, rounds), words(expected.begin(), expected.end()));
  }
}

TEST(seed_stream, is_a_pure_function_of_seed_and_draw) {
  random_engine engine{base_seed()};
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t seed = engine();
    const std::uint64_t n = engine() >> pick(engine, 0, 63);
    const std::int64_t draw = seed_draw(seed, n);
    ASSERT_EQ(draw, oracle_draw(seed, n));
    ASSERT_GE(draw, 0);
    ASSERT_LE(draw, 0xffffffff);
  }
}

TEST(rounding_bits, every_element_of_an_octet_has_its_own_half_word) {
  const detail::philox_words words{{0x00010000u, 0x00030002u, 0x00050004u, 0x00070006u}};
  for (std::uint32_t element = 0; element < 24; ++element) {
    EXPECT_EQ(detail::rounding_bits(words, element), element % 8) << element;
  }
}

TEST(rounding_words, count_by_octet_token_and_64_bit_slot) {
  const std::int64_t slot = (std::int64_t{5} << 32) + 7;
  const auto expected = oracle_philox(11, 3 | std::uint64_t{2} << 32, slot, 6);
  const detail::philox_words got = detail::rounding_words(11, 3, 2, slot, 6);
  EXPECT_EQ(words(got.w, got.w + 4), words(expected.begin(), expected.end()));
}

/** Of 8192 elements half a unit up, those that went the same way with every one of 64 seeds. */
int count_one_way(int rounds) {
  constexpr std::uint32_t elements = 8192;
  constexpr std::uint64_t seeds = 64;
  constexpr std::int64_t slot = 1;
  constexpr std::uint32_t half = 0x8000;
  int one_way = 0;
  for (std::uint32_t element = 0; element < elements; ++element) {
    std::uint64_t went_up = 0;
    for (std::uint64_t draw = 0; draw < seeds; ++draw) {
      const std::int64_t seed = seed_draw(base_seed(), draw);
      const auto drawn = detail::rounding_words(seed, element / 8, 0, slot, rounds);
      if (detail::rounding_bits(drawn, element) >= half) ++went_up;
    }
    if (went_up == 0 || went_up == seeds) ++one_way;
  }
  return one_way;
}

/** Why fewer rounds are refused. */
TEST(rounding_bits, go_both_ways_from_three_rounds_on) {
  EXPECT_GE(count_one_way(1), 6144);
  EXPECT_GE(count_one_way(2), 2048);
  for (int rounds = 3; rounds <= 10; ++rounds)
    EXPECT_EQ(count_one_way(rounds), 0) << rounds;
}

}  // namespace
}  // namespace ssugraph::test
