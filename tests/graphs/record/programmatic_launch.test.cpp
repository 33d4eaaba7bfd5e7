#include "tests/graphs/target_suite.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <vector>

/**
 * Programmatic dependent launch lets a kernel start while the one in front still runs. These tests
 * keep the one in front busy for long after its successor could have overtaken it, with the
 * successor reading what it writes, and compare with the overlap switched off, bit for bit.
 */
namespace ssugraph::test {
namespace {

constexpr int replays = 20;

class programmatic_launch : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  /** Memory of all layers after a few replays of a changing batch. `chained`: each reads what the
   *  one in front wrote, and so may read no input ahead. */
  static std::vector<arena> run(const std::vector<ssu_case>& cases, bool chained, bool overlap,
                                lane_call call) {
    model layers{target::cuda, cases, chained};
    const placed_stream stream{place::device};
    const auto capacity = static_cast<std::int32_t>(cases.front().capacity);
    pipeline_builder builder = layers.builder(bucket_policy{{capacity / 2, capacity}});
    builder.programmatic_dependent_launch(overlap);
    lane lane = builder.build().make_lane(stream.get());
    for (int i = 0; i < replays; ++i) {
      const std::int32_t batch = capacity - i % (capacity - 1);
      test::run(lane, call, batch, stream.get());
    }
    stream.wait();
    return layers.read();
  }

  static void expect_same(const std::vector<ssu_case>& cases, bool chained = true) {
    const auto expected = run(cases, chained, false, lane_call::replay);
    for (int repeat = 0; repeat < 3; ++repeat) {
      EXPECT_EQ(run(cases, chained, true, lane_call::replay), expected);
      EXPECT_EQ(run(cases, chained, true, lane_call::run_eager), expected);
    }
  }
};

/** Sequence `longest` has T tokens, every other one has one. */
void make_one_long(ssu_case& test, std::int64_t longest) {
  const tensor_view cu = test.args_at(test.memory.data()).cu_seqlens;
  std::int64_t end = 0;
  for (std::int64_t i = 0; i <= test.capacity; ++i) {
    store_index(address_of(cu, i), cu.dtype(), end);
    end += i == longest ? test.max_seqlen : 1;
  }
}

TEST_F(programmatic_launch, behind_one_block_that_works_long_after_it_triggered) {
  case_spec spec;
  spec.mode = ssu_mode::varlen;
  spec.has_cu_seqlens = true;
  spec.batch = 16;
  spec.capacity = 16;
  spec.max_seqlen = 400;
  spec.nheads = 2;
  spec.dim = 8;
  for (const dtype state : {dtype::float32, dtype::bfloat16}) {
    spec.state_dtype = state;
    spec.stochastic_rounding = state == dtype::bfloat16;
    auto cases = make_layers(spec, 4);
    for (ssu_case& test : cases)
      make_one_long(test, 3);
    expect_same(cases);
  }
}

TEST_F(programmatic_launch, behind_kernels_of_every_length) {
  case_spec spec;
  spec.batch = 32;
  spec.capacity = 32;
  spec.nheads = 16;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = dtype::bfloat16;
  expect_same(make_layers(spec, 8));
  expect_same(make_layers(spec, 8), false);
}

TEST_F(programmatic_launch, behind_a_prologue_that_copies_many_indices) {
  case_spec spec;
  spec.mode = ssu_mode::speculative;
  spec.has_cu_seqlens = true;
  spec.has_dst = true;
  spec.index_dtype = dtype::int64;
  spec.batch = 8;
  spec.capacity = 8;
  spec.max_seqlen = 4000;
  spec.nheads = 1;
  spec.dim = 1;
  spec.dstate = 8;
  auto cases = make_layers(spec, 2);
  for (ssu_case& test : cases) {
    const tensor_view cu = test.args_at(test.memory.data()).cu_seqlens;
    for (std::int64_t i = 0; i <= test.capacity; ++i) {
      store_index(address_of(cu, i), cu.dtype(), 2 * i);
    }
  }
  expect_same(cases);
}

TEST_F(programmatic_launch, of_layers_that_share_one_state) {
  case_spec spec;
  spec.batch = 16;
  spec.capacity = 16;
  spec.nheads = 8;
  spec.dim = 64;
  spec.dstate = 64;
  auto cases = make_layers(spec, 1);
  const auto run_shared = [&](bool overlap) {
    model layers{target::cuda, cases, false};
    const placed_stream stream{place::device};
    pipeline_builder builder{{}, bucket_policy{{16}}, target::cuda};
    builder.programmatic_dependent_launch(overlap);
    for (const char* name : {"first", "second", "third", "fourth"}) {
      builder.ssu(name, layers.args(0), {.shares_state = true});
    }
    lane lane = builder.build().make_lane(stream.get());
    for (int i = 0; i < replays; ++i)
      lane.replay(16, stream.get());
    stream.wait();
    return layers.read();
  };
  const auto expected = run_shared(false);
  for (int repeat = 0; repeat < 5; ++repeat)
    EXPECT_EQ(run_shared(true), expected);
}

/** Which it read ahead before. */
TEST_F(programmatic_launch, of_a_state_that_a_rebind_put_where_the_step_in_front_writes) {
  case_spec spec;
  spec.mode = ssu_mode::varlen;
  spec.has_cu_seqlens = true;
  spec.batch = 16;
  spec.capacity = 16;
  spec.max_seqlen = 400;
  spec.nheads = 2;
  spec.dim = 8;
  auto cases = make_layers(spec, 2);
  for (ssu_case& test : cases)
    make_one_long(test, 3);
  const auto run_rebound = [&](bool overlap, lane_call call) {
    model layers{target::cuda, cases, false};
    const placed_stream stream{place::device};
    pipeline_builder builder{{}, bucket_policy{{16}}};
    builder.programmatic_dependent_launch(overlap);
    builder.ssu("first", layers.args(0)).ssu("second", layers.args(1), {.shares_state = true});
    lane lane = builder.build().make_lane(stream.get());
    EXPECT_EQ(lane.rebind(std::vector<binding>{{"second", "state", layers.args(0).state.data()}}),
              std::vector{rebind_outcome::updated});
    for (int i = 0; i < replays; ++i)
      test::run(lane, call, 16, stream.get());
    stream.wait();
    return layers.read();
  };
  const auto expected = run_rebound(false, lane_call::replay);
  for (int repeat = 0; repeat < 3; ++repeat) {
    EXPECT_EQ(run_rebound(true, lane_call::replay), expected);
    EXPECT_EQ(run_rebound(true, lane_call::run_eager), expected);
  }
}

}  // namespace
}  // namespace ssugraph::test
