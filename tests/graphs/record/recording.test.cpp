#include "lib/ops/ssu/problem/traffic.hpp"
#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

/** How lanes record their buckets: when, in which order, at what cost; and what they count. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 8;

class recording : public target_suite {
 protected:
  static std::vector<ssu_case> cases() {
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    return make_layers(spec, 2);
  }

  static pipeline_builder builder_of(const model& layers, recording_options options) {
    pipeline_builder builder = layers.builder(bucket_policy{{1, 2, 4, 8}});
    builder.recording(options);
    return builder;
  }
};

TEST_P(recording, counts_replays_by_batch_and_bucket) {
  model layers{GetParam(), cases(), false};
  const placed_stream stream{where()};
  // Checked mode has one node more.
  lane lane = builder_of(layers, {.checked = false}).build().make_lane(stream.get());
  for (const std::int32_t batch : {3, 3, 8, 1, 5, 3, 0})
    lane.replay(batch, stream.get());
  lane.run_eager(7, stream.get());
  EXPECT_THROW(lane.replay(9, stream.get()), invalid_argument);
  const lane_stats stats = lane.stats();
  EXPECT_EQ(stats.replays, 6u);
  EXPECT_EQ(stats.padded_sequences, 3u * 1 + 3);
  EXPECT_EQ(stats.lazy_builds, 0u);
  EXPECT_EQ(stats.retries, 0u);
  EXPECT_GT(stats.own_bytes, 0u);
  ASSERT_EQ(stats.buckets.size(), 4u);
  const std::vector<std::uint64_t> expected{1, 0, 3, 2};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(stats.buckets[i].bucket, 1 << i);
    EXPECT_EQ(stats.buckets[i].replays, expected[i]);
    EXPECT_TRUE(stats.buckets[i].recorded);
    if (!on_gpu()) continue;
    EXPECT_EQ(stats.buckets[i].nodes, 3u) << "the prologue and two layers";
    EXPECT_GT(stats.buckets[i].build_ms, 0.0);
  }
  EXPECT_EQ(lane.batch_histogram(), (std::vector<std::uint64_t>{0, 1, 0, 3, 0, 1, 0, 0, 1}));
}

TEST_P(recording, counts_the_bytes_of_live_sequences) {
  model layers{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const pipeline built = builder_of(layers, {}).build();
  lane lane = built.make_lane(stream.get());
  EXPECT_EQ(lane.stats().moved_bytes, 0u);
  for (const std::int32_t batch : {3, 3, 4, 8})
    lane.replay(batch, stream.get());
  const auto of = [&](std::int64_t batch) {
    std::uint64_t bytes = 0;
    for (std::size_t layer = 0; layer < layers.size(); ++layer)
      bytes += static_cast<std::uint64_t>(detail::ssu_traffic(built.plan(layer, 0).problem, batch));
    return bytes;
  };
  const lane_stats stats = lane.stats();
  EXPECT_EQ(stats.buckets[2].moved_bytes, 2 * of(3) + of(4)) << "padding moves nothing";
  EXPECT_EQ(stats.buckets[3].moved_bytes, of(8));
  EXPECT_EQ(stats.moved_bytes, 2 * of(3) + of(4) + of(8));
}

TEST_P(recording, times_every_bucket_and_puts_the_random_state_back) {
  model layers{GetParam(), cases(), false};
  const placed_stream stream{where()};
  lane lane = builder_of(layers, {}).build().make_lane(stream.get());
  lane.set_random_state({5, 6}, stream.get());
  const auto times = lane.time_buckets(3, stream.get());
  ASSERT_EQ(times.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(times[i].bucket, 1 << i);
    EXPECT_GT(times[i].microseconds, 0.0);
  }
  EXPECT_EQ(lane.random_state(), (random_state{5, 6}));
  EXPECT_EQ(lane.stats().replays, 0u);
  EXPECT_THROW((void)lane.time_buckets(0, stream.get()), invalid_argument);
}

TEST_P(recording, puts_the_random_state_back_where_a_bucket_cannot_be_timed) {
  struct users_error {};
  model layers{GetParam(), cases(), false};
  const placed_memory memory{where(), 512};
  const placed_stream stream{where()};
  pipeline_builder builder = builder_of(layers, {.lazy = true});
  builder.step("mine", [&](const step_context& context, stream_handle on) {
    enqueue_copy(where(), memory.data(), memory.data() + 256, 16, on);
    if (context.bucket == 8) throw users_error{};
  });
  lane lane = builder.build().make_lane(stream.get());
  lane.set_random_state({5, 6}, stream.get());
  EXPECT_THROW((void)lane.time_buckets(3, stream.get()), users_error);
  EXPECT_EQ(lane.random_state(), (random_state{5, 6}));
}

TEST_P(recording, names_the_numbers_and_the_remedy_above_the_largest_bucket) {
  model layers{GetParam(), cases(), false};
  const placed_stream stream{where()};
  lane lane = builder_of(layers, {}).build().make_lane(stream.get());
  try {
    lane.replay(9, stream.get());
    ADD_FAILURE() << "no error";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "batch");
    EXPECT_NE(error.expected().find('8'), std::string::npos) << error.expected();
    EXPECT_NE(error.expected().find("bucket_policy"), std::string::npos) << error.expected();
    EXPECT_EQ(error.came(), "9");
  }
}

/** Of CUDA graphs alone. */
class recording_graphs : public recording {};

TEST_P(recording_graphs, starts_with_the_largest_bucket) {
  model layers{GetParam(), cases(), false};
  const placed_stream stream{where()};
  placed_memory memory{where(), 512};
  std::vector<std::int32_t> order;
  pipeline_builder builder = builder_of(layers, {});
  builder.step("watch", [&](const step_context& context, stream_handle on) {
    order.push_back(context.bucket);
    enqueue_copy(where(), memory.data(), memory.data() + 256, 16, on);
  });
  lane lane = builder.build().make_lane(stream.get());
  EXPECT_EQ(order, (std::vector<std::int32_t>{8, 4, 2, 1}));
}

TEST_P(recording_graphs, on_first_use_gives_the_same_and_says_so) {
  model lazily{GetParam(), cases(), false};
  model eagerly{GetParam(), cases(), false};
  const placed_stream stream{where()};
  lane lazy = builder_of(lazily, {.lazy = true}).build().make_lane(stream.get());
  lane eager = builder_of(eagerly, {}).build().make_lane(stream.get());
  const auto recorded = [&] {
    std::vector<bool> which;
    for (const bucket_stats& bucket : lazy.stats().buckets)
      which.push_back(bucket.recorded);
    return which;
  };
  EXPECT_EQ(recorded(), (std::vector<bool>{false, false, false, false}));
  for (const std::int32_t batch : {3, 4, 8, 3}) {
    lazy.replay(batch, stream.get());
    eager.replay(batch, stream.get());
  }
  stream.wait();
  EXPECT_EQ(lazily.read(), eagerly.read());
  EXPECT_EQ(recorded(), (std::vector<bool>{false, false, true, true}));
  EXPECT_EQ(lazy.stats().lazy_builds, 2u);
}

TEST_P(recording_graphs, keeps_to_a_budget_and_names_the_numbers) {
  model layers{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const auto refused = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const invalid_argument& error) {
      return error.argument() + ": " + error.expected();
    }
    return "no error";
  };
  EXPECT_NE(refused([&] {
              (void)builder_of(layers, {.max_graphs = 3}).build();
            }).find("max_graphs: at least 4"),
            std::string::npos);
  EXPECT_NO_THROW((void)builder_of(layers, {.max_graphs = 4}).build());
  const pipeline tight = builder_of(layers, {.max_bytes = 1}).build();
  EXPECT_NE(refused([&] { (void)tight.make_lane(stream.get()); }).find("max_bytes: at least"),
            std::string::npos);

  lane lazy = builder_of(layers, {.lazy = true, .max_graphs = 1}).build().make_lane(stream.get());
  lazy.replay(3, stream.get());
  const auto before = layers.read();
  EXPECT_NE(
      refused([&] { lazy.replay(8, stream.get()); }).find("max_graphs: at least 2 for 2 of 4"),
      std::string::npos);
  stream.wait();
  EXPECT_EQ(layers.read(), before) << "the refused replay ran";
  lazy.replay(4, stream.get());
  EXPECT_EQ(lazy.stats().replays, 2u);
}

SSUGRAPH_ON_BOTH_TARGETS(recording);
INSTANTIATE_TEST_SUITE_P(, recording_graphs, testing::Values(target::cuda), target_name);

}  // namespace
}  // namespace ssugraph::test
