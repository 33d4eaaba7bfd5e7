#include "tests/support/ring_suite.hpp"

namespace ssugraph::test {
namespace {

const auto by_plans = testing::Values(reference_rings(), prepared_rings(reference_rings()),
                                      native_rings(), prepared_rings(native_rings()));
const auto by_all = testing::Values(reference_rings(), planned_rings(reference_rings()),
                                    prepared_rings(reference_rings()), native_rings(),
                                    planned_rings(native_rings()), prepared_rings(native_rings()));

}  // namespace

INSTANTIATE_TEST_SUITE_P(eager, ring_suite, by_all, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_bits, by_plans, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_garbage, by_all, ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_plans, by_plans, ring_execution_name);

}  // namespace ssugraph::test
