#include "tests/support/ssu_case.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/suggest_buckets.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

using sizes = std::vector<std::int32_t>;
using counts = std::vector<std::uint64_t>;
using curve = std::vector<bucket_time>;

sizes suggested(const counts& histogram, std::size_t max_graphs, const curve& times) {
  const bucket_policy policy = suggest_buckets(histogram, max_graphs, times);
  return {policy.buckets().begin(), policy.buckets().end()};
}

/** The documented time of a bucket, evaluated case by case. */
double time_of(std::int32_t bucket, curve times) {
  std::ranges::sort(times, {}, &bucket_time::bucket);
  for (std::size_t i = 1; i < times.size(); ++i) {
    times[i].microseconds = std::max(times[i].microseconds, times[i - 1].microseconds);
  }
  const auto along = [&](const bucket_time& a, const bucket_time& b) {
    return a.microseconds +
           (b.microseconds - a.microseconds) * (bucket - a.bucket) / (b.bucket - a.bucket);
  };
  const bucket_time first = times.front();
  const double proportional = first.microseconds * bucket / first.bucket;
  if (times.size() == 1) return proportional;
  if (bucket < first.bucket) return std::max(proportional, along(first, times[1]));
  std::size_t above = 1;
  while (above + 1 < times.size() && times[above].bucket < bucket)
    ++above;
  return along(times[above - 1], times[above]);
}

double expected_time(const bucket_policy& policy, const counts& histogram, const curve& times) {
  double total = 0.0;
  for (std::size_t batch = 1; batch < histogram.size(); ++batch) {
    total += static_cast<double>(histogram[batch]) *
             time_of(policy.bucket_for(static_cast<std::int32_t>(batch)), times);
  }
  return total;
}

/** The least expected time over every set of buckets that ends with the largest batch. */
double least_time(const counts& histogram, std::size_t max_graphs, const curve& times) {
  const auto max_batch = static_cast<std::int32_t>(histogram.size()) - 1;
  double least = std::numeric_limits<double>::infinity();
  for (unsigned set = 0; set < 1U << (max_batch - 1); ++set) {
    sizes buckets{max_batch};
    for (std::int32_t bucket = 1; bucket < max_batch; ++bucket) {
      if ((set >> (bucket - 1) & 1U) != 0) buckets.push_back(bucket);
    }
    if (buckets.size() > max_graphs) continue;
    least = std::min(least, expected_time(bucket_policy{buckets}, histogram, times));
  }
  return least;
}

/** Any order, now and then a time that falls or stays. */
curve random_times(random_engine& engine, std::int32_t largest) {
  sizes buckets;
  for (std::int32_t bucket = 1; bucket <= largest; ++bucket)
    buckets.push_back(bucket);
  std::ranges::shuffle(buckets, engine);
  buckets.resize(static_cast<std::size_t>(pick(engine, 1, std::min(largest, 5))));
  curve times;
  for (const std::int32_t bucket : buckets) {
    const double noise = chance(engine, 0.3) ? uniform(engine, 0.3, 3.0) : 1.0;
    times.push_back({bucket, (uniform(engine, 0.0, 8.0) + bucket) * noise});
  }
  return times;
}

TEST(suggest_buckets, is_as_good_as_every_set_of_buckets) {
  random_engine engine{base_seed()};
  const int cases = case_count(500);
  for (int i = 0; i < cases; ++i) {
    const auto max_batch = static_cast<std::int32_t>(pick(engine, 1, 9));
    counts histogram(static_cast<std::size_t>(max_batch) + 1);
    for (auto& count : histogram)
      count = chance(engine, 0.3) ? 0 : static_cast<std::uint64_t>(pick(engine, 1, 100));
    const auto max_graphs = static_cast<std::size_t>(pick(engine, 1, 10));
    const curve times = random_times(engine, 12);
    const bucket_policy policy = suggest_buckets(histogram, max_graphs, times);
    const auto trace = "seed " + std::to_string(base_seed()) + ", case " + std::to_string(i);
    ASSERT_LE(policy.buckets().size(), max_graphs) << trace;
    ASSERT_EQ(policy.max_batch(), max_batch) << trace;
    const double least = least_time(histogram, max_graphs, times);
    ASSERT_NEAR(expected_time(policy, histogram, times), least, 1e-9 * least) << trace;
  }
}

TEST(suggest_buckets, puts_buckets_where_the_replays_are) {
  //                      0  1  2  3  4  5  6  7  8
  const counts histogram{99, 0, 0, 50, 0, 9, 0, 0, 1};
  const curve times{{1, 1.0}, {8, 8.0}};
  EXPECT_EQ(suggested(histogram, 1, times), (sizes{8}));
  EXPECT_EQ(suggested(histogram, 2, times), (sizes{3, 8}));  // 150 + 80, against 295 + 8
  EXPECT_EQ(suggested(histogram, 3, times), (sizes{3, 5, 8}));
  EXPECT_EQ(suggested(histogram, 64, times), (sizes{3, 5, 8})) << "no other batch was seen";
}

TEST(suggest_buckets, takes_no_bucket_that_gains_nothing) {
  const counts histogram{0, 7, 11, 13, 17, 19, 23, 29, 31};
  EXPECT_EQ(suggested(histogram, 8, {{1, 0.3}, {8, 0.3}}), (sizes{8}));
  EXPECT_EQ(suggested(histogram, 8, {{1, 0.3}, {4, 0.3}, {5, 0.7}, {8, 0.7}}), (sizes{4, 8}));
}

TEST(suggest_buckets, keeps_the_largest_batch_that_was_never_seen) {
  EXPECT_EQ(suggested({0, 5, 0, 0, 0}, 2, {{4, 9.0}}), (sizes{1, 4}));
  EXPECT_EQ(suggested({0, 5, 0, 0, 0}, 1, {{4, 9.0}}), (sizes{4}));
  EXPECT_EQ(suggested({3, 0, 0, 0, 0}, 4, {{4, 9.0}}), (sizes{4})) << "nothing was seen";
  EXPECT_EQ(suggested({0, 1}, 1, {{1, 1.0}}), (sizes{1}));
}

TEST(suggest_buckets, takes_no_profit_from_a_bucket_measured_too_fast) {
  const counts histogram{0, 1, 1, 1, 1};
  EXPECT_EQ(suggested(histogram, 4, {{1, 5.0}, {2, 1.0}, {3, 1.0}, {4, 5.0}}), (sizes{4}));
}

TEST(suggest_buckets, knows_what_a_launch_costs_below_the_first_time) {
  // Beyond both ends of 10 + bucket, one more graph is worth 1 us to batch 1 and to batch 9 each.
  const counts histogram{0, 3, 1, 0, 0, 0, 0, 0, 0, 2, 1};
  EXPECT_EQ(suggested(histogram, 2, {{4, 14.0}, {6, 16.0}}), (sizes{2, 10}));
  EXPECT_EQ(suggested(histogram, 3, {{4, 14.0}, {6, 16.0}}), (sizes{1, 2, 10}));
  // Flat to 4: neither of the small ones gains anything.
  EXPECT_EQ(suggested(histogram, 3, {{2, 14.0}, {4, 14.0}, {6, 16.0}}), (sizes{2, 9, 10}));
}

TEST(suggest_buckets, serves_a_real_load) {
  // Batches around 40 and a few bursts.
  constexpr std::int32_t max_batch = 2048;
  counts histogram(max_batch + 1);
  for (std::size_t batch = 1; batch <= max_batch; ++batch) {
    const double usual = (static_cast<double>(batch) - 40.0) / 12.0;
    const double burst = (static_cast<double>(batch) - 900.0) / 300.0;
    histogram[batch] = static_cast<std::uint64_t>(1e6 * std::exp(-usual * usual) +
                                                  1e3 * std::exp(-burst * burst) + 1.0);
  }
  const curve times{{1, 120}, {8, 620}, {64, 4'500}, {128, 9'000}, {512, 36'200}, {2048, 144'700}};
  const bucket_policy serving = bucket_policy::serving(max_batch);
  double previous = std::numeric_limits<double>::infinity();
  for (const std::size_t max_graphs : {1U, 8U, 16U, 64U}) {
    const bucket_policy policy = suggest_buckets(histogram, max_graphs, times);
    EXPECT_EQ(policy.buckets().size(), max_graphs);
    EXPECT_EQ(policy.max_batch(), max_batch);
    const double total = expected_time(policy, histogram, times);
    EXPECT_LT(total, previous) << max_graphs;
    previous = total;
  }
  const bucket_policy as_many = suggest_buckets(histogram, serving.buckets().size(), times);
  EXPECT_LT(expected_time(as_many, histogram, times),
            0.96 * expected_time(serving, histogram, times));
}

TEST(suggest_buckets, names_the_argument_that_is_wrong) {
  const counts histogram{0, 1, 2};
  const curve times{{1, 1.0}, {2, 2.0}};
  const double infinity = std::numeric_limits<double>::infinity();
  const auto wrong = [](const counts& seen, std::size_t max_graphs, const curve& measured) {
    try {
      (void)suggest_buckets(seen, max_graphs, measured);
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return std::string{"no error"};
  };
  EXPECT_EQ(wrong(histogram, 1, times), "no error");
  EXPECT_EQ(wrong(histogram, 0, times), "max_graphs");
  EXPECT_EQ(wrong({}, 1, times), "histogram");
  EXPECT_EQ(wrong({5}, 1, times), "histogram");
  EXPECT_EQ(wrong(counts((1 << 20) + 2), 1, times), "histogram");
  EXPECT_EQ(wrong(histogram, 1, {}), "times");
  EXPECT_EQ(wrong(histogram, 1, {{0, 1.0}}), "times");
  EXPECT_EQ(wrong(histogram, 1, {{-2, 1.0}}), "times");
  EXPECT_EQ(wrong(histogram, 1, {{1, 1.0}, {2, 2.0}, {1, 1.0}}), "times");
  for (const double bad : {0.0, -1.0, infinity, -infinity, std::nan("")}) {
    EXPECT_EQ(wrong(histogram, 1, {{1, 1.0}, {2, bad}}), "times") << bad;
  }
}

}  // namespace
}  // namespace ssugraph::test
