#include "tests/graphs/target_suite.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/random.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <vector>

/** Who may use a lane, when, and with which batch. */
namespace ssugraph::test {
namespace {

class lane_use : public target_suite {
 protected:
  static std::vector<ssu_case> rounding_layers() {
    case_spec spec;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    spec.batch = 4;
    spec.capacity = 4;
    return make_layers(spec, 2);
  }

  void SetUp() override {
    target_suite::SetUp();
    if (IsSkipped()) return;
    layers_.emplace(GetParam(), rounding_layers(), false);
    stream_.emplace(where());
  }

  std::optional<model> layers_;
  std::optional<placed_stream> stream_;
};

TEST_P(lane_use, an_empty_batch_does_nothing_and_draws_no_seed) {
  lane lane = layers_->build(bucket_policy{{2, 4}}).make_lane(stream_->get());
  lane.set_random_state({9, 5}, stream_->get());
  const auto before = layers_->read();
  lane.replay(0, stream_->get());
  lane.run_eager(0, stream_->get());
  EXPECT_EQ(lane.random_state(), (random_state{9, 5}));
  EXPECT_EQ(layers_->read(), before);
}

TEST_P(lane_use, refuses_negative_and_too_large_batches) {
  lane lane = layers_->build(bucket_policy{{2, 4}}).make_lane(stream_->get());
  const auto before = layers_->read();
  for (const std::int32_t batch : {-1, 5, std::numeric_limits<std::int32_t>::min(),
                                   std::numeric_limits<std::int32_t>::max()}) {
    for (const auto call : {&lane::replay, &lane::run_eager}) {
      try {
        (lane.*call)(batch, stream_->get());
        ADD_FAILURE() << "no error for " << batch;
      } catch (const invalid_argument& error) {
        EXPECT_EQ(error.argument(), "batch");
      }
    }
  }
  EXPECT_EQ(lane.random_state(), random_state{});
  EXPECT_EQ(layers_->read(), before);
}

TEST_P(lane_use, refuses_another_stream_even_for_an_empty_batch) {
  const second_stream other{GetParam()};
  lane lane = layers_->build(bucket_policy{{4}}).make_lane(stream_->get());
  const auto before = layers_->read();
  EXPECT_THROW(lane.replay(2, other.get()), invalid_state);
  EXPECT_THROW(lane.replay(0, other.get()), invalid_state);
  EXPECT_THROW(lane.run_eager(2, other.get()), invalid_state);
  EXPECT_THROW(lane.set_random_state({1, 1}, other.get()), invalid_state);
  EXPECT_EQ(lane.random_state(), random_state{});
  EXPECT_EQ(layers_->read(), before);
  lane.replay(2, stream_->get());
  EXPECT_EQ(lane.random_state(), (random_state{0, 2})) << "a refusal must not block the lane";
}

TEST_P(lane_use, moves_to_another_stream) {
  const second_stream other{GetParam()};
  lane lane = layers_->build(bucket_policy{{4}}).make_lane(stream_->get());
  EXPECT_EQ(lane.stream(), stream_->get());
  const auto before = layers_->read();
  for (int i = 0; i < 6; ++i)
    lane.replay(4, stream_->get());
  stream_->wait();
  const auto expected = layers_->read();

  layers_->write(before);
  lane.set_random_state({}, stream_->get());
  for (int i = 0; i < 3; ++i)
    lane.replay(4, stream_->get());
  lane.move_to(other.get());
  EXPECT_EQ(lane.stream(), other.get());
  EXPECT_THROW(lane.replay(4, stream_->get()), invalid_state);
  for (int i = 0; i < 3; ++i)
    lane.replay(4, other.get());
  EXPECT_EQ(lane.random_state(), (random_state{0, 12}));
  other.wait();
  EXPECT_EQ(layers_->read(), expected);
}

TEST_P(lane_use, outlives_its_pipeline_and_moves) {
  lane first = layers_->build(bucket_policy{{4}}).make_lane(stream_->get());
  first.replay(3, stream_->get());
  lane second = std::move(first);
  second.replay(3, stream_->get());
  EXPECT_EQ(second.random_state(), (random_state{0, 4}));
  EXPECT_THROW(first.replay(3, stream_->get()), invalid_state);  // NOLINT: moved from
  EXPECT_THROW((void)first.random_state(), invalid_state);
  first = std::move(second);
  first.replay(3, stream_->get());
  EXPECT_EQ(first.random_state(), (random_state{0, 6}));
}

TEST_P(lane_use, may_die_with_replays_in_flight) {
  const auto before = layers_->read();
  const pipeline built = layers_->build(bucket_policy{{4}});
  const auto run = [&](bool wait) {
    layers_->write(before);
    lane lane = built.make_lane(stream_->get());
    for (int i = 0; i < 200; ++i)
      lane.replay(1 + i % 4, stream_->get());
    if (wait) stream_->wait();
  };
  run(true);
  const auto expected = layers_->read();
  run(false);
  const lane reuses_the_memory = built.make_lane(stream_->get());
  stream_->wait();
  EXPECT_EQ(layers_->read(), expected);
}

TEST_P(lane_use, refuses_a_second_thread) {
  lane lane = layers_->build(bucket_policy{{4}}).make_lane(stream_->get());
  std::atomic<bool> refused = false;
  std::atomic<std::uint64_t> replays = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  const auto hammer = [&] {
    while (!refused && std::chrono::steady_clock::now() < deadline) {
      try {
        lane.replay(4, stream_->get());
        ++replays;
      } catch (const invalid_state&) {
        refused = true;
      }
    }
  };
  std::thread second{hammer};
  hammer();
  second.join();
  EXPECT_TRUE(refused) << "two threads never met inside the lane";
  EXPECT_EQ(lane.random_state().next_draw, 2 * replays) << "a refused replay ran";
}

SSUGRAPH_ON_BOTH_TARGETS(lane_use);

}  // namespace
}  // namespace ssugraph::test
