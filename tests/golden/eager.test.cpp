#include "lib/random/philox.hpp"
#include "tests/golden/golden_case.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/random.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace ssugraph::test {
namespace {

TEST(golden, reference_eager) {
  check_golden_cases(reference_eager(), 0);
}

TEST(golden, native_eager) {
  check_golden_cases(native_eager(), 0);
}

TEST(golden, triton_eager) {
  check_golden_cases(backend_eager("triton"), 0);
}

TEST(golden, flashinfer_eager) {
  check_golden_cases(backend_eager("flashinfer"), 0);
}

TEST(golden, scaled_reference_eager) {
  check_scaled_golden_cases(reference_eager(), 0);
}

TEST(golden, scaled_native_eager) {
  check_scaled_golden_cases(native_eager(), 0);
}

TEST(golden, scaled_native_scalar_eager) {
  check_scaled_golden_cases(native_scalar_eager(), 0);
}

TEST(golden, scaled_flashinfer_eager) {
  check_scaled_golden_cases(backend_eager("flashinfer"), 0);
}

TEST(golden, philox_words) {
  const nlohmann::json random = read_golden_random();
  ASSERT_FALSE(random.at("philox4x32").at("cases").empty());
  for (const auto& entry : random.at("philox4x32").at("cases")) {
    const std::uint64_t seed = entry.at("seed");
    const int rounds = entry.at("rounds");
    const std::vector<std::uint64_t> offsets = entry.at("offsets");
    ASSERT_FALSE(offsets.empty());
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      const std::vector<std::uint32_t> recorded = entry.at("words").at(i);
      const detail::philox_words counter{{static_cast<std::uint32_t>(offsets[i]),
                                          static_cast<std::uint32_t>(offsets[i] >> 32), 0, 0}};
      const detail::philox_words words = detail::philox4x32(counter, seed, rounds);
      EXPECT_EQ(std::vector(words.w, words.w + 4), recorded) << seed << ' ' << offsets[i];
      const auto oracle = oracle_philox(seed, offsets[i], 0, rounds);
      EXPECT_EQ(std::vector(oracle.begin(), oracle.end()), recorded) << seed << ' ' << offsets[i];
    }
  }
}

TEST(golden, seed_draws) {
  const nlohmann::json random = read_golden_random();
  ASSERT_FALSE(random.at("torch_randint").at("cases").empty());
  for (const auto& entry : random.at("torch_randint").at("cases")) {
    const std::uint64_t seed = entry.at("manual_seed");
    const std::vector<std::int64_t> draws = entry.at("eager_draws");
    ASSERT_FALSE(draws.empty());
    for (std::size_t n = 0; n < draws.size(); ++n) {
      EXPECT_EQ(seed_draw(seed, n), draws[n]) << "seed " << seed << " draw " << n;
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
