#include "tests/support/ring_suite.hpp"

namespace ssugraph::test {

INSTANTIATE_TEST_SUITE_P(eager, ring_suite,
                         testing::Values(reference_rings(), prepared_rings(reference_rings()),
                                         native_rings(), prepared_rings(native_rings())),
                         ring_execution_name);
INSTANTIATE_TEST_SUITE_P(eager, ring_bits,
                         testing::Values(reference_rings(), prepared_rings(reference_rings()),
                                         native_rings(), prepared_rings(native_rings())),
                         ring_execution_name);

}  // namespace ssugraph::test
