#include "graphs/layout/footprint.hpp"
#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>
#if SSUGRAPH_CUDA
#include <cuda_runtime_api.h>
#endif

/** What a pipeline says of the memory of its lanes before there is one. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_buckets = 35;

std::vector<ssu_case> cases(std::size_t layers) {
  case_spec spec;
  spec.batch = most_buckets;
  spec.capacity = most_buckets;
  spec.nheads = 1;
  spec.state_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  return make_layers(spec, layers);
}

bucket_policy buckets(std::int32_t count) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), most_buckets - count + 1);
  return bucket_policy{all};
}

/** What a lane tells of itself. */
std::size_t bytes_of(const lane& made, bool on_gpu) {
  const lane_stats stats = made.stats();
  std::size_t bytes = stats.own_bytes + (on_gpu ? detail::bytes_a_lane : 0);
  for (const bucket_stats& bucket : stats.buckets)
    bytes += bucket.estimated_bytes;
  return bytes;
}

class lane_bytes : public target_suite {};

TEST_P(lane_bytes, are_known_before_a_lane_is_made) {
  const model layers{GetParam(), cases(3), false};
  const placed_stream stream{where()};
  for (const bool checked : {false, true}) {
    const pipeline few = layers.builder(buckets(1)).recording({.checked = checked}).build();
    const pipeline many = layers.builder(buckets(7)).recording({.checked = checked}).build();
    const lane one = few.make_lane(stream.get());
    const lane two = many.make_lane(stream.get());
    EXPECT_EQ(few.lane_bytes(), bytes_of(one, on_gpu()));
    EXPECT_EQ(many.lane_bytes(), bytes_of(two, on_gpu()));
    EXPECT_EQ(many.lane_bytes() > few.lane_bytes(), on_gpu()) << "graphs";
  }
}

TEST_P(lane_bytes, count_scratch) {
  const model layers{GetParam(), cases(1), false};
  const auto with_scratch = [&](std::size_t bytes) {
    pipeline_builder builder = layers.builder(buckets(1));
    builder.step("mine", [](const step_context&, stream_handle) {}, {.scratch_bytes = bytes});
    return builder.build().lane_bytes();
  };
  EXPECT_EQ(with_scratch(1 << 20), with_scratch(0) + (1 << 20));
}

SSUGRAPH_ON_BOTH_TARGETS(lane_bytes);

#if SSUGRAPH_CUDA

/** The driver takes device memory in such pieces: one kind for graphs, one for what is allocated in
 *  stream order. */
constexpr double piece = 32 << 20;

/** SSUGRAPH_TEST_NODES, or a number that takes seconds: of 1,000,000 the figures are exact. */
std::size_t nodes_to_make() {
  const char* const given = std::getenv("SSUGRAPH_TEST_NODES");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 100'000;
}

double free_bytes() {
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  return static_cast<double>(free);
}

/** Lanes that stay until all is measured, so that what one takes is new. */
class lanes_on_a_device : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    stream_ = std::make_unique<placed_stream>(place::device);
    const pipeline whole = pipeline_of(48, most_buckets);
    const double before = free_bytes();
    // What the driver has left over of others' graphs is used up then.
    for (int lane = 0; lane < 400 && before - free_bytes() < piece; ++lane)
      lanes_.push_back(whole.make_lane(stream_->get()));
  }

  pipeline pipeline_of(std::size_t layers, std::int32_t bucket_count) {
    models_.push_back(std::make_unique<model>(target::cuda, cases(layers), false));
    return models_.back()->builder(buckets(bucket_count)).recording({.checked = false}).build();
  }

  /** Bytes that a lane took beside its own, and prints what was said before. */
  double measured(std::size_t layers, std::int32_t bucket_count) {
    const pipeline built = pipeline_of(layers, bucket_count);
    const std::size_t nodes = (layers + 1) * static_cast<std::size_t>(bucket_count);
    const std::size_t count =
        std::clamp<std::size_t>(nodes_to_make() / nodes, 1, nodes_to_make() / 250);
    const double before = free_bytes();
    for (std::size_t lane = 0; lane < count; ++lane)
      lanes_.push_back(built.make_lane(stream_->get()));
    const double fall = before - free_bytes();
    const auto said = static_cast<double>(built.lane_bytes());
    const auto all = static_cast<double>(count);
    const auto own = static_cast<double>(lanes_.back().stats().own_bytes);
    std::printf(
        "%2zu layers, %2d buckets, %4zu lanes: said %.0f bytes a lane, measured %.0f, "
        "of which %.0f are the lane's own\n",
        layers, bucket_count, count, said, fall / all, own);
    EXPECT_LE(fall, all * said + 2 * piece);
    EXPECT_LE(all * said, 1.1 * fall + 2 * piece);
    return fall / all - own;
  }

  std::unique_ptr<placed_stream> stream_;
  std::vector<std::unique_ptr<model>> models_;
  std::vector<lane> lanes_;
};

TEST_F(lanes_on_a_device, take_what_was_said) {
  const double least = measured(1, 1);
  const double graphs = measured(1, most_buckets);
  const double nodes = measured(48, most_buckets);
  (void)measured(48, 1);
  (void)measured(12, 8);
  const double a_node = (nodes - graphs) / (47 * most_buckets);
  const double a_graph = (graphs - least) / (most_buckets - 1) - 2 * a_node;
  std::printf("bytes a node %.0f, a graph %.0f, a lane %.0f\n", a_node, a_graph,
              least - a_graph - 2 * a_node);
}

#endif

}  // namespace
}  // namespace ssugraph::test
