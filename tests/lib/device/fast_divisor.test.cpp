#include "lib/device/fast_divisor.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace ssugraph::test {
namespace {

TEST(fast_divisor, divides_as_the_operator_does) {
  constexpr std::uint32_t most = 0x7fffffff;
  std::mt19937 engine{7};
  std::uniform_int_distribution<std::uint32_t> any{0, most};
  for (int i = 0; i < 20'000; ++i) {
    const std::uint32_t divisor =
        i < 1'000 ? static_cast<std::uint32_t>(i) + 1 : (any(engine) >> any(engine) % 31) + 1;
    const detail::fast_divisor fast{divisor};
    EXPECT_EQ(fast.divisor(), divisor);
    for (const std::uint32_t number :
         {0u, 1u, divisor - 1, divisor, most / divisor * divisor - (most >= divisor),
          most / divisor * divisor, most - 1, most, any(engine)}) {
      if (number > most) continue;
      ASSERT_EQ(fast.quotient(number), number / divisor) << number << " / " << divisor;
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
