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

inline std::string execution_name(const testing::TestParamInfo<execution>& info) {
  return info.param.name;
}

}  // namespace ssugraph::test
