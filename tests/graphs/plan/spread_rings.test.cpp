#include "graphs/plan/spread_rings.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

/** What timed steps do with the rings of their sequences. */
namespace ssugraph::detail {
namespace {

constexpr ring_rule rule(std::int64_t interval, std::int64_t tokens) {
  return {.cursor = {},
          .accepted = {},
          .slots = 0,
          .rows = interval + 2 * tokens - 1,
          .interval = interval};
}

TEST(spread_rings, store_checkpoints_as_often_as_in_the_long_run) {
  for (const auto& [interval, tokens] :
       {std::pair<std::int64_t, std::int64_t>{16, 1}, {16, 4}, {8, 8}, {64, 3}, {1, 1}}) {
    for (const std::int64_t sequences : {1, 2, 15, 16, 64, 100, 256}) {
      std::int64_t flushes = 0;
      for (std::int64_t i = 0; i < sequences; ++i) {
        const ring_plan_row row = spread_ring(rule(interval, tokens), tokens, i, sequences, i + 1);
        EXPECT_GE(row.count, tokens);
        EXPECT_LT(row.count, interval + tokens);
        EXPECT_EQ(row.flush, row.count >= interval ? interval : 0);
        EXPECT_EQ(row.slot, i + 1);
        EXPECT_EQ(row.length, tokens);
        flushes += row.flush > 0 ? 1 : 0;
      }
      // To the whole sequence.
      EXPECT_LE(std::abs(flushes * interval - sequences * tokens), interval)
          << "W " << interval << ", T " << tokens << ", " << sequences << " sequences";
    }
  }
}

TEST(spread_rings, fit_rings_that_are_shorter) {
  ring_rule short_ring = rule(16, 1);
  short_ring.rows = 10;
  for (std::int64_t i = 0; i < 32; ++i) {
    const ring_plan_row row = spread_ring(short_ring, 1, i, 32, i);
    EXPECT_LE(row.count + row.length, 10);
    EXPECT_LE(row.flush, row.count);
  }
}

}  // namespace
}  // namespace ssugraph::detail
