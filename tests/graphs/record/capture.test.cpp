#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <optional>

/** A lane whose stream somebody is capturing refuses to be used, and spoils nothing. */
namespace ssugraph::test {
namespace {

class lane_under_capture : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    case_spec spec;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    layers_.emplace(target::cuda, make_layers(spec, 2), false);
    stream_.emplace(place::device);
  }

  void begin() const {
    ASSERT_EQ(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeThreadLocal),
              cudaSuccess);
  }

  /** The capture must still be whole, and empty. */
  void end() const {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(stream_->get(), &graph), cudaSuccess);
    std::size_t nodes = 1;
    EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
    EXPECT_EQ(nodes, 0u);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  }

  std::optional<model> layers_;
  std::optional<placed_stream> stream_;
};

TEST_F(lane_under_capture, refuses_every_use) {
  const placed_stream other{place::device};
  lane lane = layers_->build(bucket_policy{{3}}).make_lane(stream_->get());
  const auto before = layers_->read();
  begin();
  EXPECT_THROW(lane.replay(2, stream_->get()), invalid_state);
  EXPECT_THROW(lane.run_eager(2, stream_->get()), invalid_state);
  EXPECT_THROW(lane.set_random_state({1, 1}, stream_->get()), invalid_state);
  EXPECT_THROW((void)lane.random_state(), invalid_state);
  EXPECT_THROW(lane.move_to(other.get()), invalid_state);
  end();
  EXPECT_EQ(lane.stream(), stream_->get()) << "a refused move must not happen";
  EXPECT_EQ(lane.random_state(), random_state{});
  EXPECT_EQ(layers_->read(), before);
  lane.replay(2, stream_->get());
  EXPECT_EQ(lane.random_state(), (random_state{0, 2}));
}

TEST_F(lane_under_capture, may_die) {
  {
    const lane lane = layers_->build(bucket_policy{{3}}).make_lane(stream_->get());
    begin();
  }
  end();
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  lane next = layers_->build(bucket_policy{{3}}).make_lane(stream_->get());
  next.replay(3, stream_->get());
  EXPECT_EQ(next.random_state(), (random_state{0, 2}));
}

}  // namespace
}  // namespace ssugraph::test
