#include "tests/graphs/replay.hpp"
#include "tests/support/ssu_suite.hpp"

namespace ssugraph::test {
namespace {

const auto by_native = testing::Values(recorded(target::host, lane_call::replay),
                                       recorded(target::cuda, lane_call::replay),
                                       recorded(target::cuda, lane_call::run_eager));

}  // namespace

INSTANTIATE_TEST_SUITE_P(recorded, ssu_suite, by_native, execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, clamping, by_native, execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, exact_rounding, by_native, execution_name);
INSTANTIATE_TEST_SUITE_P(recorded, infinity, by_native, execution_name);

INSTANTIATE_TEST_SUITE_P(recorded_by, ssu_suite,
                         testing::Values(recorded(target::cuda, lane_call::replay, "triton"),
                                         recorded(target::cuda, lane_call::replay, "flashinfer"),
                                         recorded(target::cuda, lane_call::run_eager, "flashinfer"),
                                         recorded(target::cuda, lane_call::replay, "automatic")),
                         execution_name);
INSTANTIATE_TEST_SUITE_P(recorded_by, exact_rounding,
                         testing::Values(recorded(target::cuda, lane_call::replay, "triton")),
                         execution_name);

}  // namespace ssugraph::test
