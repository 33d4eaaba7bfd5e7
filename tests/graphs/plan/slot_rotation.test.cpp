#include "graphs/plan/slot_rotation.hpp"

#include "tests/support/ssu_case.hpp"

#include <gtest/gtest.h>

namespace ssugraph::test {
namespace {

TEST(slot_rotation, keeps_every_launch_in_the_scratch_and_to_itself) {
  random_engine engine{base_seed()};
  for (int i = 0; i < 200; ++i) {
    const detail::slot_rotation rotation{.slots_a_sequence = pick(engine, 1, 8),
                                         .slot_bytes = pick(engine, 1, 1 << 22),
                                         .bytes_between_visits = pick(engine, 0, 200 << 20)};
    const std::int64_t most = pick(engine, 1, 300);
    const std::int64_t slots = rotation.slots_up_to(most);
    for (std::int64_t n = 1; n <= most; ++n) {
      const std::int64_t positions = rotation.positions_of(n);
      for (std::int64_t launch = 0; launch + 1 < positions; ++launch) {
        ASSERT_LE(rotation.first_slot(launch, n, slots) + rotation.slots_of(n),
                  rotation.first_slot(launch + 1, n, slots));
      }
      ASSERT_LE(rotation.first_slot(positions - 1, n, slots) + rotation.slots_of(n), slots);
      ASSERT_EQ(rotation.first_slot(positions, n, slots), 0);
    }
  }
}

TEST(slot_rotation, visits_a_slot_again_after_enough_bytes) {
  constexpr detail::slot_rotation rotation{
      .slots_a_sequence = 1, .slot_bytes = 1 << 20, .bytes_between_visits = 150 << 20};
  EXPECT_GE(rotation.positions_of(1) * rotation.slots_of(1), 150);
  EXPECT_EQ(rotation.positions_of(1000), 2);
}

}  // namespace
}  // namespace ssugraph::test
