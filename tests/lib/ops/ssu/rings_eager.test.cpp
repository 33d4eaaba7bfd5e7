#include "tests/support/ring_suite.hpp"

namespace ssugraph::test {
namespace {

const auto by_calls = testing::Values(reference_rings(), native_rings());
const auto by_other_ways =
    testing::Values(planned_rings(reference_rings()), prepared_rings(reference_rings()),
                    planned_rings(native_rings()), prepared_rings(native_rings()));

}  // namespace

INSTANTIATE_TEST_SUITE_P(eager, ring_suite, by_calls, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_bits, by_calls, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_plans, by_calls, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_garbage, by_calls, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_ways, by_other_ways, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager_in_other_ways, ring_garbage, by_other_ways, ring_execution_name);

}  // namespace ssugraph::test
