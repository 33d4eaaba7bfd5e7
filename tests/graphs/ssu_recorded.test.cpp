#include "tests/graphs/replay.hpp"
#include "tests/support/ssu_suite.hpp"

namespace ssugraph::test {

INSTANTIATE_TEST_SUITE_P(recorded, ssu_suite,
                         testing::Values(recorded(target::host, lane_call::replay),
                                         recorded(target::cuda, lane_call::replay),
                                         recorded(target::cuda, lane_call::run_eager)),
                         execution_name);

INSTANTIATE_TEST_SUITE_P(recorded_by, ssu_suite,
                         testing::Values(recorded(target::cuda, lane_call::replay, "triton"),
                                         recorded(target::cuda, lane_call::replay, "flashinfer"),
                                         recorded(target::cuda, lane_call::run_eager, "flashinfer"),
                                         recorded(target::cuda, lane_call::replay, "automatic")),
                         execution_name);

}  // namespace ssugraph::test
