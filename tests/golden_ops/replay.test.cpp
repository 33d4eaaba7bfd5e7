#include "tests/golden_ops/golden_ops.hpp"
#include "tests/graphs/ring_lanes.hpp"

#include <gtest/gtest.h>

namespace ssugraph::test {
namespace {

TEST(golden_ops, checkpointed_host_replay) {
  check_checkpointed_cases(recorded_rings(target::host, lane_call::replay));
}

TEST(golden_ops, checkpointed_native_replay) {
  check_checkpointed_cases(recorded_rings(target::cuda, lane_call::replay));
}

}  // namespace
}  // namespace ssugraph::test
