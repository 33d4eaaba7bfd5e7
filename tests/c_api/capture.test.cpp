#include "tests/c_api/c_pipelines.hpp"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

/** A lane of the C API in graphs of the caller's, against a lane of the C++ API that replays. */
namespace ssugraph::test {
namespace {

constexpr std::array<std::int32_t, 2> buckets{3, 8};
constexpr std::size_t layer_count = 3;
const mamba_config rounding{.stochastic_rounding = true};

using graph_exec =
    std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, decltype(&cudaGraphExecDestroy)>;

class c_capture : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    stream_.emplace(place::device);
    live_.emplace(place::device, sizeof(std::int32_t));
  }

  [[nodiscard]] const std::int32_t* live() const {
    return reinterpret_cast<const std::int32_t*>(live_->data());
  }

  graph_exec captured(const std::function<void()>& record) {
    EXPECT_EQ(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeGlobal), cudaSuccess);
    record();
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_->get(), &graph), cudaSuccess);
    cudaGraphExec_t exec = nullptr;
    EXPECT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    return {exec, cudaGraphExecDestroy};
  }

  using recorder = std::function<void(ssugraph_lane* lane, std::int32_t bucket)>;

  /** What `record` puts into a capture does what a replay of the C++ API does. */
  void expect_like_replay(const recorder& record) {
    const auto cases = make_layers(rounding_spec(), layer_count);
    const model by_cpp{target::cuda, cases, true};
    const model by_c{target::cuda, cases, true};
    lane expected = by_cpp.build(bucket_policy{{3, 8}}).make_lane(stream_->get());
    const ssugraph_config config = c_config(rounding);
    c_builder builder;
    ASSERT_STATUS(ssugraph_builder_create(&config, buckets.data(), buckets.size(),
                                          SSUGRAPH_TARGET_CUDA, &builder),
                  SUCCESS);
    for (std::size_t layer = 0; layer < layer_count; ++layer) {
      const c_args args{by_c.args(layer), true};
      ASSERT_STATUS(
          ssugraph_builder_ssu(builder, model::name_of(layer).c_str(), args.get(), nullptr),
          SUCCESS);
    }
    c_pipeline pipeline;
    ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
    c_lane lane;
    ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, stream_->get(), &lane),
                  SUCCESS);
    expected.set_random_state({4, 4}, stream_->get());
    ASSERT_STATUS(ssugraph_lane_set_random_state(lane, {4, 4}, stream_->get()), SUCCESS);
    std::vector<graph_exec> graphs;
    for (const std::int32_t bucket : buckets)
      graphs.push_back(captured([&] { record(lane, bucket); }));
    for (const std::int32_t batch : {2, 8, 3, 5}) {
      expected.replay(batch, stream_->get());
      stream_->wait();
      live_->write(0, std::as_bytes(std::span{&batch, 1}));
      ASSERT_EQ(cudaGraphLaunch(graphs[batch <= 3 ? 0 : 1].get(), stream_->get()), cudaSuccess);
      stream_->wait();
      ASSERT_EQ(by_c.read(), by_cpp.read()) << "batch " << batch;
    }
    ssugraph_random_state state{};
    ASSERT_STATUS(ssugraph_lane_random_state(lane, &state), SUCCESS);
    EXPECT_EQ((random_state{state.seed, state.next_draw}), expected.random_state());
    graphs.clear();
  }

  std::optional<placed_stream> stream_;
  std::optional<placed_memory> live_;
};

TEST_F(c_capture, of_a_lane_does_what_a_replay_does) {
  expect_like_replay([this](ssugraph_lane* lane, std::int32_t bucket) {
    EXPECT_STATUS(ssugraph_lane_record(lane, bucket, live(), stream_->get()), SUCCESS);
  });
}

TEST_F(c_capture, of_its_steps_does_what_a_replay_does) {
  expect_like_replay([this](ssugraph_lane* lane, std::int32_t bucket) {
    EXPECT_STATUS(ssugraph_lane_replay(lane, bucket, stream_->get()), INVALID_STATE);
    EXPECT_STATUS(ssugraph_lane_record_step(lane, 0, stream_->get()), INVALID_STATE);
    EXPECT_EQ(
        refused_argument(ssugraph_lane_record_prologue(lane, bucket + 1, live(), stream_->get())),
        "bucket");
    EXPECT_STATUS(ssugraph_lane_record_prologue(lane, bucket, live(), stream_->get()), SUCCESS);
    for (std::size_t step = 0; step < layer_count; ++step)
      EXPECT_STATUS(ssugraph_lane_record_step(lane, step, stream_->get()), SUCCESS);
    EXPECT_STATUS(ssugraph_lane_record_step(lane, layer_count, stream_->get()), INVALID_ARGUMENT);
  });
}

TEST_F(c_capture, takes_bindings_of_rows_alone) {
  const placed_memory out{place::device, 8 * 1024};
  expect_like_replay([&](ssugraph_lane* lane, std::int32_t bucket) {
    const ssugraph_binding state{"layer0", "state", out.data()};
    const ssugraph_binding unread{"layer2", "out", out.data()};
    EXPECT_EQ(refused_argument(
                  ssugraph_lane_record_bound(lane, bucket, live(), &state, 1, stream_->get())),
              "layer0.state");
    EXPECT_STATUS(ssugraph_lane_record_prologue(lane, bucket, live(), stream_->get()), SUCCESS);
    EXPECT_EQ(
        refused_argument(ssugraph_lane_record_step_bound(lane, 0, &unread, 1, stream_->get())),
        "bindings");
    for (std::size_t step = 0; step < layer_count; ++step) {
      EXPECT_STATUS(ssugraph_lane_record_step_bound(lane, step, nullptr, 0, stream_->get()),
                    SUCCESS);
    }
  });
}

TEST_F(c_capture, takes_a_lane_as_a_child_graph) {
  expect_like_replay([this](ssugraph_lane* lane, std::int32_t bucket) {
    cudaStreamCaptureStatus status{};
    cudaGraph_t into = nullptr;
    const cudaGraphNode_t* nodes = nullptr;
    std::size_t count = 0;
    ASSERT_EQ(
        cudaStreamGetCaptureInfo(stream_->get(), &status, nullptr, &into, &nodes, nullptr, &count),
        cudaSuccess);
    cudaGraphNode_t node = nullptr;
    ASSERT_STATUS(ssugraph_lane_add_child_graph(lane, into, nodes, count, bucket, live(), &node),
                  SUCCESS);
    ASSERT_EQ(cudaStreamUpdateCaptureDependencies(stream_->get(), &node, nullptr, 1,
                                                  cudaStreamSetCaptureDependencies),
              cudaSuccess);
  });
}

TEST_F(c_capture, of_an_eager_call_wants_a_seed) {
  random_engine engine{base_seed()};
  const ssu_case test = make_case(rounding_spec(), engine);
  const placed_memory memory{place::device, test.memory};
  const c_args args{without_seed(test.args_at(memory.data())), true};
  const ssugraph_config config = c_config(rounding);
  c_dispatch dispatch;
  ASSERT_STATUS(ssugraph_dispatch_create(&config, 0, &dispatch), SUCCESS);
  const placed_memory seed{place::device, 8};
  ssu_args seeded = without_seed(test.args_at(memory.data()));
  seeded.rand_seed = {seed.data(), dtype::int64, {1}};
  const c_args with_seed{seeded, true};
  const graph_exec exec = captured([&] {
    EXPECT_STATUS(ssugraph_dispatch_selective_state_update(dispatch, args.get(), stream_->get()),
                  INVALID_STATE);
    EXPECT_STATUS(ssugraph_selective_state_update(&config, with_seed.get(), stream_->get()),
                  SUCCESS);
  });
  const arena before = memory.read_all();
  ASSERT_EQ(cudaGraphLaunch(exec.get(), stream_->get()), cudaSuccess);
  stream_->wait();
  EXPECT_NE(memory.read_all(), before);
}

TEST_F(c_capture, takes_memory_for_what_it_is) {
  void* managed = nullptr;
  ASSERT_EQ(cudaMallocManaged(&managed, 256), cudaSuccess);
  const placed_memory device{place::device, 256};
  const c_tensor slots{tensor_view{device.data(), dtype::int32, {4}}, true};
  c_tensor state{tensor_view{managed, dtype::float32, {1, 2, 4, 8}}, true};
  const DLTensor* states[] = {&state.tensor};
  const auto reset = [&] {
    return refused_argument(ssugraph_reset_slots(states, 1, &slots.tensor, stream_->get()));
  };
  state.tensor.device = {kDLCUDAManaged, 0};
  EXPECT_EQ(reset(), "success");
  state.tensor.device = {kDLCPU, 0};
  EXPECT_EQ(reset(), "states[0].device");
  state.tensor.device = {kDLCUDA, 1};
  EXPECT_EQ(reset(), "states[0].device");
  state.tensor.data = device.data();
  state.tensor.device = {kDLCUDA, 0};
  EXPECT_EQ(reset(), "success");
  stream_->wait();
  EXPECT_EQ(cudaFree(managed), cudaSuccess);
}

}  // namespace
}  // namespace ssugraph::test
