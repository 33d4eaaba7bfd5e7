#include "tests/support/ssu_suite.hpp"

namespace ssugraph::test {

INSTANTIATE_TEST_SUITE_P(eager, ssu_suite,
                         testing::Values(reference_eager(), native_eager(), native_scalar_eager()),
                         execution_name);

INSTANTIATE_TEST_SUITE_P(eager_by, ssu_suite,
                         testing::Values(backend_eager("triton"), backend_eager("flashinfer"),
                                         backend_eager("flashinfer", "simple"),
                                         backend_eager("flashinfer", "vertical"),
                                         backend_eager("flashinfer", "horizontal"),
                                         backend_eager("automatic")),
                         execution_name);

}  // namespace ssugraph::test
