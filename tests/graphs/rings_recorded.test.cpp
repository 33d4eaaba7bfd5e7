#include "tests/graphs/ring_lanes.hpp"
#include "tests/support/ring_suite.hpp"

namespace ssugraph::test {

INSTANTIATE_TEST_SUITE_P(recorded, ring_suite,
                         testing::Values(recorded_rings(target::host, lane_call::replay),
                                         recorded_rings(target::cuda, lane_call::replay),
                                         recorded_rings(target::cuda, lane_call::run_eager)),
                         ring_execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, ring_bits,
                         testing::Values(recorded_rings(target::host, lane_call::replay),
                                         recorded_rings(target::cuda, lane_call::replay),
                                         recorded_rings(target::cuda, lane_call::run_eager)),
                         ring_execution_name);

}  // namespace ssugraph::test
