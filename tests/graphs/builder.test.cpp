#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

class building : public target_suite {
 protected:
  static case_spec spec_of(ssu_mode mode) {
    case_spec spec;
    spec.mode = mode;
    spec.has_cu_seqlens = mode != ssu_mode::plain;
    spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
    spec.batch = 4;
    spec.capacity = 4;
    return spec;
  }

  static pipeline_builder empty_builder(mamba_config config = {}) {
    return pipeline_builder{std::move(config), bucket_policy{{2, 4}}, GetParam()};
  }

  /** The argument that `call` complains about. */
  static std::string refused_argument(const std::function<void()>& call) {
    try {
      call();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }
};

TEST_P(building, resolves_every_step_for_every_bucket) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 3), false};
  const pipeline built = layers.build(bucket_policy{{1, 2, 4}});
  EXPECT_EQ(built.step_count(), 3u);
  EXPECT_EQ(built.where(), GetParam());
  EXPECT_EQ(built.buckets(), (bucket_policy{{1, 2, 4}}));
  EXPECT_EQ(built.seeds_per_replay(), 0);
  for (std::size_t step = 0; step < 3; ++step) {
    for (std::size_t bucket = 0; bucket < 3; ++bucket) {
      const ssu_plan& plan = built.plan(step, bucket);
      EXPECT_EQ(plan.backend, on_gpu() ? "native" : "reference");
      EXPECT_EQ(plan.sequences, built.buckets().buckets()[bucket]);
    }
  }
  EXPECT_THROW((void)built.plan(3, 0), invalid_argument);
  EXPECT_THROW((void)built.plan(0, 3), invalid_argument);
  for (const char* name : {"layer0", "layer1", "layer2"}) {
    EXPECT_NE(built.describe().find(name), std::string::npos);
  }
}

TEST_P(building, may_build_again_and_runs_nothing) {
  model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 2), false};
  const auto before = layers.read();
  const pipeline_builder builder = layers.builder(bucket_policy{{2, 4}});
  const pipeline first = builder.build();
  const pipeline second = builder.build();
  const placed_stream stream{where()};
  const lane lane = second.make_lane(stream.get());
  stream.wait();
  EXPECT_EQ(layers.read(), before);
  EXPECT_EQ(first.describe(), second.describe());
}

TEST_P(building, counts_the_seeds_of_a_replay) {
  case_spec spec = spec_of(ssu_mode::plain);
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  const model layers{GetParam(), make_layers(spec, 3), false};
  EXPECT_EQ(layers.build(bucket_policy{{4}}).seeds_per_replay(), 3);
}

TEST_P(building, refuses_tensors_with_too_few_rows) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    case_spec spec = spec_of(mode);
    spec.has_z = true;
    spec.has_dst = true;
    const model layers{GetParam(), make_layers(spec, 1), false};
    pipeline_builder builder = empty_builder();
    for (const auto& [name, member] : ssu_tensors) {
      const std::string field = name;
      if (!(layers.args(0).*member) || field == "state" || field == "A" || field == "D" ||
          field == "dt_bias") {
        continue;
      }
      ssu_args args = layers.args(0);
      args.*member = (args.*member).with_extent(0, (args.*member).extent(0) - 1);
      EXPECT_EQ(refused_argument([&] { builder.ssu("mine", args); }), "mine." + field)
          << to_string(mode);
    }
    builder.ssu("mine", layers.args(0));
    EXPECT_EQ(builder.build().step_count(), 1u) << "a refused step was kept";
  }
}

TEST_P(building, takes_a_row_a_sequence_where_nothing_bounds_their_rows) {
  case_spec spec = spec_of(ssu_mode::speculative);
  spec.has_cu_seqlens = false;
  const model layers{GetParam(), make_layers(spec, 1), false};
  ssu_args args = layers.args(0);
  for (auto member : {&ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C, &ssu_args::out})
    args.*member = (args.*member).with_extent(0, 4);
  pipeline_builder builder = empty_builder();
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", args); }), "no error");
  args.out = args.out.with_extent(0, 3);
  EXPECT_EQ(refused_argument([&] { builder.ssu("other", args); }), "other.out");
}

TEST_P(building, refuses_what_an_eager_call_refuses_and_names_the_step) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  pipeline_builder builder = empty_builder();
  ssu_args args = layers.args(0);
  args.out = args.out.at(args.x.data());
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", args); }), "mine.out");
  args = layers.args(0);
  args.B = {};
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", args); }), "mine.B");
}

TEST_P(building, refuses_a_bound_seed) {
  ssu_case test = make_layers(spec_of(ssu_mode::plain), 1).front();
  const placed_memory memory{where(), test.memory};
  pipeline_builder builder = empty_builder();
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", test.args_at(memory.data())); }),
            "mine.rand_seed");
}

TEST_P(building, refuses_a_varlen_step_without_a_longest_length) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::varlen), 1), false};
  ssu_args args = layers.args(0);
  args.max_seqlen = 0;
  pipeline_builder builder = empty_builder();
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", args); }), "mine.max_seqlen");
}

TEST_P(building, refuses_tensors_that_leave_the_address_space) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  ssu_args args = layers.args(0);
  pipeline_builder builder = empty_builder();
  args.state = tensor_view{args.state.data(), args.state.dtype(), args.state.extents(),
                           std::vector{std::int64_t{1} << 62, args.state.stride(1),
                                       args.state.stride(2), args.state.stride(3)}};
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", args); }), "mine.state");
  args = layers.args(0);
  args.x = args.x.with_extent(0, std::int64_t{1} << 61);
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", args); }), "mine.x")
      << "rows that no bucket has";
}

TEST_P(building, refuses_steps_of_two_modes_or_lengths) {
  const model plain{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  const model varlen{GetParam(), make_layers(spec_of(ssu_mode::varlen), 1), false};
  case_spec longer_spec = spec_of(ssu_mode::varlen);
  longer_spec.max_seqlen = 4;
  const model longer{GetParam(), make_layers(longer_spec, 1), false};
  pipeline_builder builder = empty_builder();
  builder.ssu("first", varlen.args(0));
  EXPECT_THROW(builder.ssu("second", plain.args(0)), invalid_argument);
  EXPECT_THROW(builder.ssu("second", longer.args(0)), invalid_argument);
  builder.ssu("second", varlen.args(0), {.shares_state = true});
  EXPECT_EQ(builder.build().step_count(), 2u);
}

TEST_P(building, refuses_steps_with_and_without_cu_seqlens) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::speculative), 1), false};
  ssu_args one_row_each = layers.args(0);
  one_row_each.cu_seqlens = {};
  pipeline_builder builder = empty_builder();
  builder.ssu("first", one_row_each);
  EXPECT_THROW(builder.ssu("second", layers.args(0)), invalid_argument);
  EXPECT_EQ(builder.build().step_count(), 1u);
}

TEST_P(building, refuses_two_layers_on_one_state_unless_the_later_one_says_so) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 2), false};
  ssu_args args = layers.args(1);
  args.state = layers.args(0).state;
  pipeline_builder builder = empty_builder();
  builder.ssu("first", layers.args(0));
  EXPECT_EQ(refused_argument([&] { builder.ssu("second", args); }), "second.state");
  builder.ssu("second", args, {.shares_state = true});
  builder.ssu("third", layers.args(1));
  EXPECT_EQ(builder.build().step_count(), 3u);
  args.state = layers.args(1).state;
  EXPECT_EQ(refused_argument([&] { builder.ssu("fourth", args); }), "fourth.state");
}

TEST_P(building, refuses_names_that_are_empty_or_taken) {
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  pipeline_builder builder = empty_builder();
  builder.ssu("layer", layers.args(0));
  EXPECT_EQ(refused_argument([&] { builder.ssu("layer", layers.args(0)); }), "name");
  EXPECT_EQ(refused_argument([&] { builder.ssu("", layers.args(0)); }), "name");
}

TEST_P(building, refuses_to_build_without_a_step) {
  EXPECT_THROW((void)empty_builder().build(), invalid_state);
}

TEST_P(building, refuses_bad_configs) {
  for (const int rounds : {-1, 1, 2, 11})
    EXPECT_EQ(refused_argument([&] { empty_builder({.philox_rounds = rounds}); }), "philox_rounds");
  const model layers{GetParam(), make_layers(spec_of(ssu_mode::plain), 1), false};
  pipeline_builder rounding = empty_builder({.stochastic_rounding = true});
  EXPECT_EQ(refused_argument([&] { rounding.ssu("mine", layers.args(0)); }), "mine.state");
  ssu_args seeded = layers.args(0);
  seeded.rand_seed = {layers.args(0).state.data(), dtype::int64, {1}};
  EXPECT_EQ(refused_argument([&] { rounding.ssu("mine", seeded); }), "mine.state")
      << "no seed makes up for that";
}

TEST_P(building, refuses_memory_of_the_other_kind) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const target other = on_gpu() ? target::host : target::cuda;
  const model elsewhere{other, make_layers(spec_of(ssu_mode::plain), 1), false};
  pipeline_builder builder = empty_builder();
  EXPECT_EQ(refused_argument([&] { builder.ssu("mine", elsewhere.args(0)); }), "mine.state");
}

TEST(host_target, takes_any_backend_that_a_config_names) {
  const model layers{target::host, make_layers({}, 1), false};
  for (const char* backend : {"native", "reference"}) {
    pipeline_builder builder{{.backend = backend}, bucket_policy{{3}}, target::host};
    builder.ssu("layer", layers.args(0));
    EXPECT_EQ(builder.build().plan(0, 0).backend, "reference");
  }
}

TEST(host_target, is_logged_by_the_backend_that_runs) {
  const model layers{target::host, make_layers({}, 1), false};
  std::string line;
  set_log_sink([&](std::string_view news) { line = news; });
  pipeline_builder builder{
      {.backend = "native", .algorithm = "8x128"}, bucket_policy{{3}}, target::host};
  static_cast<void>(builder.ssu("layer", layers.args(0)).build());
  set_log_sink({});
  EXPECT_NE(line.find("on backend reference, algorithm auto"), std::string::npos) << line;
}

TEST(cuda_target, refuses_the_cpu_backend_and_unknown_ones) {
  for (const char* backend : {"reference", "none"}) {
    try {
      pipeline_builder{{.backend = backend}, bucket_policy{{1}}, target::cuda};
      FAIL() << "no error for " << backend;
    } catch (const invalid_argument& error) {
      EXPECT_EQ(error.argument(), "backend");
    }
  }
}

TEST(cuda_target, is_not_replaced_by_the_host) {
  if (has_cuda_device()) GTEST_SKIP() << "there is a CUDA device";
  EXPECT_ANY_THROW((pipeline_builder{{}, bucket_policy{{1}}, target::cuda}));
}

SSUGRAPH_ON_BOTH_TARGETS(building);

}  // namespace
}  // namespace ssugraph::test
