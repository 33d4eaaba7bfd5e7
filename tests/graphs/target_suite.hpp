#pragma once

#include "tests/graphs/replay.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/stream.hpp>

#include <gtest/gtest.h>

#include <string>

namespace ssugraph::test {

/** Tests of what a pipeline promises on either target. */
class target_suite : public testing::TestWithParam<target> {
 protected:
  void SetUp() override {
    if (on_gpu() && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  [[nodiscard]] static bool on_gpu() { return GetParam() == target::cuda; }
  [[nodiscard]] static place where() { return place_of(GetParam()); }
};

/** A stream beside the lane's. The host only compares handles, so there any address will do. */
class second_stream {
 public:
  explicit second_stream(target where) : real_{place_of(where)} {}

  [[nodiscard]] stream_handle get() const {
    if (real_.get() != nullptr) return real_.get();
    return reinterpret_cast<stream_handle>(const_cast<second_stream*>(this));
  }
  void wait() const { real_.wait(); }

 private:
  placed_stream real_;
};

inline std::string target_name(const testing::TestParamInfo<target>& info) {
  return info.param == target::host ? "host" : "cuda";
}

}  // namespace ssugraph::test

/** Instantiates a suite derived from target_suite on both targets. */
#define SSUGRAPH_ON_BOTH_TARGETS(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::Values(target::host, target::cuda), target_name)
