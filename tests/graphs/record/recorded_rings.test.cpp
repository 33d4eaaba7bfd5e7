#include "tests/graphs/ring_layers.hpp"
#include "tests/support/cursor_model.hpp"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

/** Cursors of rings in graphs that the caller captures. */
namespace ssugraph::test {
namespace {

using integers = std::vector<std::int64_t>;
using graph_exec =
    std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, decltype(&cudaGraphExecDestroy)>;

constexpr ring_spec spec{.interval = 4, .max_seqlen = 2, .sequences = 4, .has_accepted = true};

class recorded_rings : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    layers_.emplace(target::cuda, spec);
    replayed_.emplace(target::cuda, spec);
    stream_.emplace(place::device);
    live_.emplace(place::device, sizeof(std::int32_t));
    for (ring_layers* layers : {&*layers_, &*replayed_}) {
      layers->write(layers->args().state_batch_indices, integers{1, 5, 0, 2});
      layers->write(layers->args().cu_seqlens, integers{0, 2, 3, 5, 6});
      layers->write(layers->args().num_accepted_tokens, integers{1, 0, 2, 1});
    }
  }

  lane make_lane(const ring_layers& layers) {
    pipeline_builder builder{{}, bucket_policy{{2, 4}}};
    layers.add_to(builder);
    return builder.build().make_lane(stream_->get());
  }

  graph_exec captured(const std::function<void()>& record, std::size_t* nodes = nullptr) {
    EXPECT_EQ(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeGlobal), cudaSuccess);
    record();
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_->get(), &graph), cudaSuccess);
    if (nodes != nullptr) {
      EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, nodes), cudaSuccess);
    }
    cudaGraphExec_t exec = nullptr;
    EXPECT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    return {exec, cudaGraphExecDestroy};
  }
  void launch(const graph_exec& exec) {
    EXPECT_EQ(cudaGraphLaunch(exec.get(), stream_->get()), cudaSuccess);
    stream_->wait();
  }

  std::optional<ring_layers> layers_;
  std::optional<ring_layers> replayed_;
  std::optional<placed_stream> stream_;
  std::optional<placed_memory> live_;
};

TEST_F(recorded_rings, go_on_as_in_replays_and_not_at_all_without_a_live_sequence) {
  lane recorded = make_lane(*layers_);
  lane oracle = make_lane(*replayed_);
  const auto* live = reinterpret_cast<const std::int32_t*>(live_->data());
  const graph_exec exec = captured([&] {
    recorded.record_prologue(4, live, stream_->get());
    for (std::size_t step = 0; step < spec.layers; ++step)
      recorded.record_step(step, stream_->get());
  });
  EXPECT_EQ(layers_->cursors(), std::vector<ring_cursor>(spec.slots)) << "capturing ran something";
  for (const std::int32_t batch : {4, 0, 2, 0, 4, 1, 4}) {
    live_->write(0, std::as_bytes(std::span{&batch, 1}));
    const auto before = layers_->cursors();
    launch(exec);
    if (batch == 0) {
      EXPECT_EQ(layers_->cursors(), before);
    }
    oracle.replay(batch, stream_->get());
    stream_->wait();
    EXPECT_EQ(layers_->cursors(), replayed_->cursors());
  }
  EXPECT_NE(layers_->cursors()[1], ring_cursor{});
}

TEST_F(recorded_rings, are_planned_by_one_node) {
  const placed_memory plans{place::device, 4 * sizeof(ring_plan_row)};
  const ssu_args& args = layers_->args();
  const ring_plan_args planned{.ring_plan = {plans.data(), dtype::int32, {4, 8}},
                               .ring_cursor = args.ring_cursor,
                               .state_batch_indices = args.state_batch_indices,
                               .num_accepted_tokens = args.num_accepted_tokens,
                               .cu_seqlens = args.cu_seqlens,
                               .null_block_id = 0,
                               .max_seqlen = 2,
                               .checkpoint_interval = spec.interval,
                               .ring_rows = spec.ring_rows()};
  std::size_t nodes = 0;
  const graph_exec exec = captured([&] { plan_rings(planned, stream_->get()); }, &nodes);
  EXPECT_EQ(nodes, 1u);
  EXPECT_EQ(layers_->cursors(), std::vector<ring_cursor>(spec.slots)) << "capturing ran something";
  lane oracle = make_lane(*replayed_);
  for (int step = 0; step < 6; ++step) {
    launch(exec);
    oracle.replay(4, stream_->get());
    stream_->wait();
    EXPECT_EQ(layers_->cursors(), replayed_->cursors());
  }
}

}  // namespace
}  // namespace ssugraph::test
