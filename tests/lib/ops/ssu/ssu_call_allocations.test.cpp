#include "tests/support/device.hpp"
#include "tests/support/few_allocations.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <string>

/** What a prepared call launches in 2 us has no time to allocate. */
namespace ssugraph::test {
namespace {

class prepared_call_of : public testing::TestWithParam<std::string> {};

TEST_P(prepared_call_of, a_kernel_allocates_nothing_on_the_host) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  case_spec spec;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = spec.io_dtype = dtype::bfloat16;
  random_engine engine{base_seed()};
  const ssu_case test = make_case(spec, engine);
  const placed_memory memory{place::device, test.memory};
  const placed_stream stream{place::device};
  try {
    for (const bool programmatic : {false, true}) {
      const ssu_dispatch dispatch{
          {.backend = GetParam()}, 0, {.programmatic_dependent_launch = programmatic}};
      const ssu_call call = dispatch.prepare(test.args_at(memory.data()));
      const few_allocations none{0};
      EXPECT_NO_THROW(call.launch(call.addresses(), test.batch, stream.get()));
    }
  } catch (const unsupported& error) {
    GTEST_SKIP() << error.what();
  }
  stream.wait();
}

INSTANTIATE_TEST_SUITE_P(, prepared_call_of, testing::Values("native", "triton"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ssugraph::test
