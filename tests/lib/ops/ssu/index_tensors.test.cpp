#include "tests/support/device.hpp"
#include "tests/support/execution.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <string>

/** Eager calls whose index and count tensors have entries behind the batch, as engines keep them.
 */
namespace ssugraph::test {
namespace {

class longer_index_tensors : public testing::TestWithParam<std::string> {};

TEST_P(longer_index_tensors, change_nothing) {
  const place where = GetParam() == "reference" ? place::host : place::device;
  if (where == place::device && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const placed_stream stream{where};
  random_engine engine{base_seed()};
  for (int i = 0; i < case_count(60); ++i) {
    case_spec spec = random_spec(engine);
    spec.has_indices = true;
    spec.capacity = spec.batch + 2;
    SCOPED_TRACE(to_string(spec));
    const ssu_case test = make_case(spec, engine);  // entries behind the batch are traps
    mamba_config config = test.config;
    config.backend = GetParam();
    ssu_dispatch dispatch{config};
    const placed_memory expected{where, test.memory};
    const placed_memory memory{where, test.memory};
    dispatch.selective_state_update(first_sequences(test.args_at(expected.data()), test.batch),
                                    stream.get());
    const ssu_args whole = test.args_at(memory.data());
    ssu_args args = first_sequences(whole, test.batch);
    args.state_batch_indices = whole.state_batch_indices;
    args.dst_state_batch_indices = whole.dst_state_batch_indices;
    args.num_accepted_tokens = whole.num_accepted_tokens;
    EXPECT_EQ(dispatch.plan(args).sequences, test.batch);
    dispatch.selective_state_update(args, stream.get());
    stream.wait();
    EXPECT_EQ(memory.read_all(), expected.read_all());
    if (args.dst_state_batch_indices) {
      args.dst_state_batch_indices = args.dst_state_batch_indices.with_extent(0, test.batch);
      EXPECT_NO_THROW((void)dispatch.plan(args)) << "each is cut by itself";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, longer_index_tensors, testing::Values("reference", "native"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ssugraph::test
