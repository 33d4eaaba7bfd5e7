#include "graphs/plan/rounds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ssugraph::test {
namespace {

/** Candidates that take the same time whenever they run, and the order in which they ran. */
struct steady_candidates {
  std::vector<double> times;
  std::vector<std::size_t> ran{};

  std::vector<double> timed() {
    return detail::time_in_rounds(times.size(), [this](std::size_t i) {
      ran.push_back(i);
      return times[i];
    });
  }
  [[nodiscard]] auto runs_of(std::size_t i) const { return std::ranges::count(ran, i); }
};

TEST(rounds, run_the_candidates_in_turns) {
  steady_candidates candidates{{1.0, 1.1, 1.05}};
  EXPECT_EQ(candidates.timed(), candidates.times);
  for (std::size_t i = 0; i < candidates.ran.size(); ++i)
    EXPECT_EQ(candidates.ran[i], i % 3) << i;
}

TEST(rounds, run_a_hopeless_candidate_once) {
  steady_candidates candidates{{1.3, 1.0, 1.19}};
  EXPECT_EQ(candidates.timed(), candidates.times);
  EXPECT_EQ(candidates.runs_of(0), 1);
  EXPECT_EQ(candidates.runs_of(1), candidates.runs_of(2));
}

TEST(rounds, are_fewer_where_a_run_is_long) {
  steady_candidates brief{{1.0}};
  EXPECT_EQ(brief.timed(), brief.times);
  EXPECT_EQ(brief.runs_of(0), 15);

  steady_candidates between{{500.0}};
  EXPECT_EQ(between.timed(), between.times);
  EXPECT_EQ(between.runs_of(0), 10) << "9 rounds behind the first pass 4000 us";

  steady_candidates lengthy{{2500.0}};
  EXPECT_EQ(lengthy.timed(), lengthy.times);
  EXPECT_EQ(lengthy.runs_of(0), 5);
}

TEST(rounds, have_a_median_that_one_slow_run_does_not_change) {
  int run = 0;
  const std::vector<double> medians =
      detail::time_in_rounds(1, [&](std::size_t) { return run++ == 2 ? 90.0 : 3.0; });
  EXPECT_EQ(medians, std::vector{3.0});
}

}  // namespace
}  // namespace ssugraph::test
