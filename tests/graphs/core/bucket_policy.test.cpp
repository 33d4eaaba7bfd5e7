#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/error.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

using sizes = std::vector<std::int32_t>;

sizes buckets_of(const bucket_policy& policy) {
  return {policy.buckets().begin(), policy.buckets().end()};
}

TEST(bucket_policy, sorts_an_explicit_list) {
  const bucket_policy policy{{8, 1, 3}};
  EXPECT_EQ(buckets_of(policy), (sizes{1, 3, 8}));
  EXPECT_EQ(policy.max_batch(), 8);
}

TEST(bucket_policy, powers_of_two_end_with_the_largest_batch) {
  EXPECT_EQ(buckets_of(bucket_policy::powers_of_two(1)), (sizes{1}));
  EXPECT_EQ(buckets_of(bucket_policy::powers_of_two(8)), (sizes{1, 2, 4, 8}));
  EXPECT_EQ(buckets_of(bucket_policy::powers_of_two(9)), (sizes{1, 2, 4, 8, 9}));
}

TEST(bucket_policy, serving_is_fine_below_128_and_coarse_above) {
  EXPECT_EQ(buckets_of(bucket_policy::serving(1)), (sizes{1}));
  EXPECT_EQ(buckets_of(bucket_policy::serving(6)), (sizes{1, 2, 4, 6}));
  EXPECT_EQ(buckets_of(bucket_policy::serving(20)), (sizes{1, 2, 4, 8, 16, 20}));
  EXPECT_EQ(buckets_of(bucket_policy::serving(256)),
            (sizes{1,  2,  4,  8,  16,  24,  32,  40,  48,  56, 64,
                   72, 80, 88, 96, 104, 112, 120, 128, 192, 256}));
  EXPECT_EQ(buckets_of(bucket_policy::serving(200)).back(), 200);
}

TEST(bucket_policy, finds_the_smallest_that_holds_the_batch) {
  const bucket_policy policy{{2, 3, 7}};
  const sizes expected{2, 2, 3, 7, 7, 7, 7};
  for (std::int32_t batch = 1; batch <= 7; ++batch) {
    EXPECT_EQ(policy.bucket_for(batch), expected[static_cast<std::size_t>(batch) - 1]) << batch;
    EXPECT_EQ(policy.buckets()[static_cast<std::size_t>(policy.index_for(batch))],
              policy.bucket_for(batch));
  }
}

TEST(bucket_policy, refuses_a_batch_that_no_bucket_holds) {
  const bucket_policy policy{{2, 3, 7}};
  for (const std::int32_t batch : {0, -1, 8, std::numeric_limits<std::int32_t>::max(),
                                   std::numeric_limits<std::int32_t>::min()}) {
    try {
      (void)policy.bucket_for(batch);
      FAIL() << "no error for " << batch;
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.argument(), "batch");
    }
    EXPECT_THROW((void)policy.index_for(batch), invalid_argument);
  }
}

TEST(bucket_policy, says_what_to_do_about_a_batch_above_the_largest) {
  const bucket_policy policy{{2, 3, 7}};
  const auto expected = [&](std::int32_t batch) {
    try {
      (void)policy.bucket_for(batch);
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.came(), std::to_string(batch));
      return error.expected();
    }
    return std::string{};
  };
  EXPECT_EQ(expected(15),
            "at most the largest bucket, 7 (split the batch in 3, or build the pipeline with "
            "bucket_policy::serving(15) or another whose max_batch is that)");
  EXPECT_EQ(expected((1 << 20) + 1), "at most the largest bucket, 7 (split the batch in 149797)")
      << "there is no such policy to build with";
}

TEST(bucket_policy, refuses_bad_lists) {
  constexpr std::int32_t largest = 1 << 20;
  EXPECT_THROW(bucket_policy{sizes{}}, invalid_argument);
  EXPECT_THROW((bucket_policy{{0, 1}}), invalid_argument);
  EXPECT_THROW((bucket_policy{{4, -4}}), invalid_argument);
  EXPECT_THROW((bucket_policy{{4, 2, 4}}), invalid_argument);
  EXPECT_THROW((bucket_policy{{largest + 1}}), invalid_argument);
  EXPECT_THROW((void)bucket_policy::serving(0), invalid_argument);
  EXPECT_THROW((void)bucket_policy::powers_of_two(-3), invalid_argument);
  EXPECT_THROW((void)bucket_policy::powers_of_two(largest + 1), invalid_argument);
  EXPECT_THROW((void)bucket_policy::powers_of_two(std::numeric_limits<std::int32_t>::max()),
               invalid_argument);
  EXPECT_EQ(bucket_policy{{largest}}.bucket_for(3), largest);
}

}  // namespace
}  // namespace ssugraph::test
