#include "tests/support/ssu_suite.hpp"

namespace ssugraph::test {
namespace {

/** What a call may leave out and a pipeline may not. */
class eager_call : public ssu_suite {};

TEST_P(eager_call, varlen_without_a_longest_length_takes_the_rows) {
  case_spec spec;
  spec.mode = ssu_mode::varlen;
  spec.has_cu_seqlens = true;
  spec.max_seqlen = 5;
  random_engine engine{base_seed()};
  ssu_case test = make_case(spec, engine);
  test.layout.max_seqlen = 0;
  EXPECT_TRUE(agrees_with_float64(test, GetParam()));
}

}  // namespace

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

INSTANTIATE_TEST_SUITE_P(eager, clamping, testing::Values(reference_eager(), native_eager()),
                         execution_name);
INSTANTIATE_TEST_SUITE_P(eager, eager_call, testing::Values(reference_eager(), native_eager()),
                         execution_name);
INSTANTIATE_TEST_SUITE_P(eager, exact_rounding,
                         testing::Values(reference_eager(), native_eager(), native_scalar_eager(),
                                         backend_eager("triton")),
                         execution_name);
INSTANTIATE_TEST_SUITE_P(eager, infinity,
                         testing::Values(reference_eager(), native_eager(),
                                         backend_eager("triton")),
                         execution_name);

}  // namespace ssugraph::test
