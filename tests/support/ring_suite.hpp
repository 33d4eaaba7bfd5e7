#pragma once

#include "tests/support/ring_execution.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ssugraph::test {

/** Tests of checkpointed states, whatever runs them: eager or replayed, on the host or on a GPU. */
class ring_suite : public testing::TestWithParam<ring_execution> {
 protected:
  void SetUp() override {
    if (!can_run(GetParam())) GTEST_SKIP() << "no CUDA device";
  }

  /** Random steps of `spec`, each against float64. */
  static void walk(const ring_spec& spec, int steps);
  /** The same of random specs. */
  static void walk_anything(int cases);
};

/** What serves calls in more than one way need not run all of the suite in each. */
class ring_ways : public ring_suite {};

/** Plans of engines that keep trackers of their own. */
class ring_plans : public ring_suite {};

/** Plans and cursors that no step can have left: values may be wrong, nothing else may be touched.
 */
class ring_garbage : public ring_suite {};

/** Bits of checkpoints and outputs, in one's surroundings or another's. */
class ring_bits : public ring_suite {};

inline std::string ring_execution_name(const testing::TestParamInfo<ring_execution>& info) {
  return info.param.name;
}

}  // namespace ssugraph::test
