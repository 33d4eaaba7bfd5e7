#include "tests/graphs/ring_lanes.hpp"
#include "tests/support/ring_suite.hpp"

namespace ssugraph::test {
namespace {

const auto by_cursors = testing::Values(recorded_rings(target::host, lane_call::replay),
                                        recorded_rings(target::cuda, lane_call::replay),
                                        recorded_rings(target::cuda, lane_call::run_eager));
const auto by_plans = testing::Values(recorded_plans(target::host, lane_call::replay),
                                      recorded_plans(target::cuda, lane_call::replay));

}  // namespace

INSTANTIATE_TEST_SUITE_P(recorded, ring_suite, by_cursors, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, ring_bits, by_cursors, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, ring_garbage, by_cursors, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(recorded_of_plans, ring_garbage, by_plans, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, ring_ways, by_plans, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, ring_plans, by_plans, ring_execution_name);

}  // namespace ssugraph::test
