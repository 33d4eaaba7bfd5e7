#include "tests/support/ssu_suite.hpp"

namespace ssugraph::test {

INSTANTIATE_TEST_SUITE_P(eager, ssu_suite,
                         testing::Values(reference_eager(), native_eager(), native_scalar_eager()),
                         execution_name);

}  // namespace ssugraph::test
