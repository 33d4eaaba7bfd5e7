#pragma once

#include "tests/support/execution.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ssugraph::test {

/** The operation's tests, whatever runs it: eager or replayed, on the host or on a GPU. */
class ssu_suite : public testing::TestWithParam<execution> {
 protected:
  void SetUp() override {
    if (!can_run(GetParam())) GTEST_SKIP() << "no CUDA device, or no such backend in this build";
  }

  /** Prints what was served, of a backend that may refuse. */
  void TearDown() override {
    if (GetParam().may_refuse && !IsSkipped()) tally_.print(GetParam().name);
  }

  [[nodiscard]] testing::AssertionResult agrees(const ssu_case& test) {
    return agrees_or_refuses(test, GetParam(), tally_);
  }

  refusals tally_;
};

/** Callers that break a promise about lengths and counts stay inside the tensors. */
class clamping : public ssu_suite {};

/**
 * Stochastic rounding through a whole call whose h' is known to the bit: A = 0 and dt = 1 make
 * h' = 0 * 1 + 1 * B, so that B chooses it, whether or not the compiler fuses the addition.
 */
class exact_rounding : public ssu_suite {
 protected:
  /** A backend that refuses such a call is skipped. */
  void SetUp() override;
};

/** Infinite inputs give infinite outputs, not NaN, whatever lanes lie behind the end of a row. */
class infinity : public ssu_suite {};

inline std::string execution_name(const testing::TestParamInfo<execution>& info) {
  return info.param.name;
}

}  // namespace ssugraph::test
