#include "graphs/core/median.hpp"

#include <gtest/gtest.h>

namespace ssugraph::test {
namespace {

using detail::median;

TEST(the_median, is_the_middle_one_whatever_the_order) {
  EXPECT_EQ(median({3.0}), 3.0);
  EXPECT_EQ(median({9.0, 1.0, 2.0}), 2.0);
  EXPECT_EQ(median({5.0, 5.0, 1.0, 9.0, 0.0}), 5.0);
}

TEST(the_median, of_an_even_number_is_the_larger_of_the_two) {
  EXPECT_EQ(median({1.0, 2.0}), 2.0);
  EXPECT_EQ(median({4.0, 1.0, 3.0, 2.0}), 3.0);
}

}  // namespace
}  // namespace ssugraph::test
