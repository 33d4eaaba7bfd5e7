#include "tests/graphs/replay.hpp"
#include "tests/support/ssu_suite.hpp"

namespace ssugraph::test {

INSTANTIATE_TEST_SUITE_P(recorded, ssu_suite,
                         testing::Values(recorded(target::host, lane_call::replay),
                                         recorded(target::cuda, lane_call::replay),
                                         recorded(target::cuda, lane_call::run_eager)),
                         execution_name);

}  // namespace ssugraph::test
