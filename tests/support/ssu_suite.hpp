#pragma once

#include "tests/support/execution.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ssugraph::test {

/** The operation's tests, whatever runs it: eager or replayed, on the host or on a GPU. */
class ssu_suite : public testing::TestWithParam<execution> {
 protected:
  void SetUp() override {
    if (!can_run(GetParam())) GTEST_SKIP() << "no CUDA device";
  }
};

inline std::string execution_name(const testing::TestParamInfo<execution>& info) {
  return info.param.name;
}

}  // namespace ssugraph::test
