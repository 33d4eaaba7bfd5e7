#include "lib/core/reach.hpp"
#include "tests/graphs/replay.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

/** SSU kernels that start before the ones in front of theirs are over. */
namespace ssugraph::test {
namespace {

constexpr int replays = 20;

/** Four layers behind a slow step of the user's: their kernels all start while that still runs,
 * each let in by the one in front before its own wait. */
class behind_a_slow_step : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  /** `connect` makes arguments of the layers depend on one another, and returns what the slow step
   *  writes of them, if anything. */
  template <class Connect>
  static void expect_same_when(Connect connect) {
    case_spec spec;
    spec.batch = 16;
    spec.capacity = 16;
    spec.nheads = 8;
    spec.dim = 64;
    spec.dstate = 64;
    for (const dtype state : {dtype::float32, dtype::bfloat16}) {
      spec.state_dtype = state;
      spec.stochastic_rounding = state == dtype::bfloat16;
      const auto cases = make_layers(spec, 4);
      const auto expected = run_connected(cases, connect, false, lane_call::replay);
      for (int repeat = 0; repeat < 3; ++repeat) {
        EXPECT_EQ(run_connected(cases, connect, true, lane_call::replay), expected);
        EXPECT_EQ(run_connected(cases, connect, true, lane_call::run_eager), expected);
      }
    }
  }

 private:
  template <class Connect>
  static std::vector<arena> run_connected(const std::vector<ssu_case>& cases, Connect connect,
                                          bool overlap, lane_call call) {
    model layers{target::cuda, cases, false};
    std::vector<ssu_args> args;
    for (std::size_t i = 0; i < cases.size(); ++i)
      args.push_back(layers.args(i));
    const placed_memory scratch{place::device, 256};
    const tensor_view target = connect(args);
    const byte_range written =
        target ? detail::reach_of(target) : byte_range{scratch.data(), scratch.size()};
    const placed_stream stream{place::device};
    // What was there, one word further along: not what a layer would find that came too early.
    const placed_memory source{place::device, written.bytes};
    enqueue_copy(place::device, source.data(), static_cast<const std::byte*>(written.data) + 4,
                 written.bytes - 4, stream.get());

    pipeline_builder builder{{.stochastic_rounding = cases.front().config.stochastic_rounding},
                             bucket_policy{{16}}};
    builder.programmatic_dependent_launch(overlap);
    builder.step("slow",
                 [&](const step_context&, stream_handle on) {
                   enqueue_slow_copy(const_cast<void*>(written.data), source.data(),
                                     written.bytes - 4, 100, {.triggers = true}, on);
                 },
                 {.writes = {{written}}, .triggers_early = true});
    for (std::size_t i = 0; i < args.size(); ++i)
      builder.ssu(model::name_of(i), args[i], {.shares_state = true});
    lane lane = builder.build().make_lane(stream.get());
    for (int i = 0; i < replays; ++i)
      test::run(lane, call, 16, stream.get());
    stream.wait();
    return layers.read();
  }
};

constexpr tensor_view none;

TEST_F(behind_a_slow_step, each_on_tensors_of_its_own) {
  expect_same_when([](std::vector<ssu_args>&) { return none; });
}

TEST_F(behind_a_slow_step, that_writes_a_state) {
  expect_same_when([](std::vector<ssu_args>& args) { return args[2].state; });
}

TEST_F(behind_a_slow_step, that_writes_an_input) {
  expect_same_when([](std::vector<ssu_args>& args) { return args[2].x; });
}

TEST_F(behind_a_slow_step, one_on_the_state_of_the_second_one_in_front) {
  expect_same_when([](std::vector<ssu_args>& args) {
    args[2].state = args[0].state;
    return none;
  });
}

TEST_F(behind_a_slow_step, one_on_the_state_of_the_third_one_in_front) {
  expect_same_when([](std::vector<ssu_args>& args) {
    args[3].state = args[0].state;
    return none;
  });
}

TEST_F(behind_a_slow_step, one_that_reads_what_the_second_one_in_front_writes) {
  expect_same_when([](std::vector<ssu_args>& args) {
    args[2].x = args[0].out;
    return none;
  });
}

TEST_F(behind_a_slow_step, one_that_reads_what_the_third_one_in_front_writes) {
  expect_same_when([](std::vector<ssu_args>& args) {
    args[3].x = args[0].out;
    return none;
  });
}

/** Where a multiprocessor still has what was there before in its cache. */
TEST_F(behind_a_slow_step, one_that_reads_what_was_read_before_it_was_written) {
  expect_same_when([](std::vector<ssu_args>& args) {
    args[2].out = args[0].x;
    args[3].x = args[0].x;
    return none;
  });
}

}  // namespace
}  // namespace ssugraph::test
