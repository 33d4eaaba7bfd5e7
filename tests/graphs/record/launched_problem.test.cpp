#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

/** A pipeline plans what it launches: its lane's copies of index and count tensors, its own seeds.
 */
namespace ssugraph::test {
namespace {

class launched_problem : public target_suite {
 protected:
  static ssu_problem problem_of(const case_spec& spec) {
    const model layers{GetParam(), make_layers(spec, 1), false};
    return layers.build(bucket_policy{{2, 4}}).plan(0, 0).problem;
  }
  static case_spec spec_of(ssu_mode mode) {
    case_spec spec;
    spec.mode = mode;
    spec.has_cu_seqlens = mode == ssu_mode::varlen;
    spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
    spec.batch = 4;
    spec.capacity = 4;
    return spec;
  }
};

TEST_P(launched_problem, has_indices_where_the_user_binds_none) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.has_indices = false;
  const ssu_problem problem = problem_of(spec);
  EXPECT_TRUE(problem.has_indices);
  EXPECT_EQ(problem.index_dtype, dtype::int32);
  EXPECT_EQ(problem.null_block_id, -1);
}

TEST_P(launched_problem, has_dense_counts_whatever_the_user_binds) {
  for (const ssu_mode mode : {ssu_mode::varlen, ssu_mode::speculative}) {
    for (const bool aligned : {true, false}) {
      case_spec spec = spec_of(mode);
      spec.aligned = aligned;
      spec.count_dtype = dtype::int64;
      spec.index_dtype = dtype::int64;
      const ssu_problem problem = problem_of(spec);
      const bool varlen = mode == ssu_mode::varlen;
      const ssu_tensor counts = varlen ? ssu_tensor::cu_seqlens : ssu_tensor::num_accepted_tokens;
      EXPECT_EQ(problem.layout(counts).strides[0], 1);
      EXPECT_EQ(problem.layout(counts).alignment, tensor_layout::max_alignment);
      EXPECT_EQ(varlen ? problem.cu_seqlens_dtype : problem.accepted_dtype, dtype::int64);
      EXPECT_EQ(problem.index_dtype, dtype::int64);
      EXPECT_EQ(problem.layout(ssu_tensor::state_batch_indices).alignment,
                tensor_layout::max_alignment);
      EXPECT_EQ(problem.max_seqlen, 3);
    }
  }
}

TEST_P(launched_problem, has_a_seed_where_it_rounds) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.state_dtype = dtype::bfloat16;
  EXPECT_FALSE(problem_of(spec).has_rand_seed);
  spec.stochastic_rounding = true;
  EXPECT_TRUE(problem_of(spec).has_rand_seed);
}

/** 2^32 cut to 32 bits is slot 0. */
TEST_P(launched_problem, has_a_null_block_that_its_indices_can_hold) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.null_block_id = std::int64_t{1} << 32;
  const model layers{GetParam(), make_layers(spec, 1), false};
  std::int64_t told = 0;
  pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
  const placed_memory scratch{where(), 256};
  builder.step("mine", [&](const step_context& context, stream_handle on) {
    told = context.null_block_id;
    enqueue_copy(where(), scratch.data(), scratch.data() + 128, 64, on);
  });
  builder.ssu("layer", layers.args(0));
  const pipeline built = builder.build();
  const placed_stream stream{where()};
  lane lane = built.make_lane(stream.get());
  lane.replay(2, stream.get());
  stream.wait();
  EXPECT_EQ(told, -1);
  EXPECT_EQ(built.plan(1, 0).problem.null_block_id, -1);
}

TEST_P(launched_problem, refuses_codes_without_scales_and_where_no_states_are) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  const auto with_dtype = [](const tensor_view& tensor, dtype type) {
    return tensor_view{tensor.data(), type, tensor.extents(), tensor.strides()};
  };
  for (const dtype type : {dtype::int8, dtype::int16, dtype::float8_e4m3}) {
    pipeline_builder builder{{}, bucket_policy{{4}}, GetParam()};
    const auto refused = [&](const ssu_args& args) -> std::string {
      try {
        builder.ssu("layer", args);
      } catch (const invalid_argument& error) {
        return error.argument();
      }
      return "no error";
    };
    ssu_args args = layers.args(0);
    args.state = with_dtype(args.state, type);
    EXPECT_EQ(refused(args), "layer.state_scale");
    args = layers.args(0);
    args.x = with_dtype(args.x, type);
    EXPECT_EQ(refused(args), "layer.x");
    EXPECT_THROW((void)builder.build(), invalid_state) << "the builder stayed as it was";
  }
}

TEST_P(launched_problem, has_the_scales_that_are_bound) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.state_dtype = dtype::int8;
  spec.has_dst_state = true;
  const ssu_problem problem = problem_of(spec);
  EXPECT_EQ(problem.state_dtype, dtype::int8);
  EXPECT_NE(problem.layout(ssu_tensor::state_scale).alignment, 0);
  EXPECT_NE(problem.layout(ssu_tensor::dst_state_scale).alignment, 0);
}

SSUGRAPH_ON_BOTH_TARGETS(launched_problem);

}  // namespace
}  // namespace ssugraph::test
