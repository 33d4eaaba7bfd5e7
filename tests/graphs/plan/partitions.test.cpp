#include "lib/core/driver.hpp"
#include "tests/graphs/replay.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/** Lanes on streams that may only use a part of the multiprocessors (green contexts). */
namespace ssugraph::test {
namespace {

using detail::check_driver;
using detail::driver_function;

constexpr std::int32_t most_sequences = 6;

/** Some multiprocessors of device 0, and streams on them. */
class partition {
 public:
  explicit partition(unsigned at_least) {
    CUdevResource all{};
    const auto resource_of =
        driver_function<PFN_cuDeviceGetDevResource_v12040>("cuDeviceGetDevResource", version);
    check_driver(resource_of(0, &all, CU_DEV_RESOURCE_TYPE_SM), "cuDeviceGetDevResource");
    CUdevResource part{};
    unsigned groups = 1;
    const auto split = driver_function<PFN_cuDevSmResourceSplitByCount_v12040>(
        "cuDevSmResourceSplitByCount", version);
    check_driver(split(&part, &groups, &all, nullptr, 0, at_least), "cuDevSmResourceSplitByCount");
    count_ = static_cast<int>(part.sm.smCount);
    CUdevResourceDesc description = nullptr;
    const auto describe =
        driver_function<PFN_cuDevResourceGenerateDesc_v12040>("cuDevResourceGenerateDesc", version);
    check_driver(describe(&description, &part, 1), "cuDevResourceGenerateDesc");
    const auto create = driver_function<PFN_cuGreenCtxCreate_v12040>("cuGreenCtxCreate", version);
    check_driver(create(&green_, description, 0, CU_GREEN_CTX_DEFAULT_STREAM), "cuGreenCtxCreate");
    const auto convert =
        driver_function<PFN_cuCtxFromGreenCtx_v12040>("cuCtxFromGreenCtx", version);
    check_driver(convert(&context_, green_), "cuCtxFromGreenCtx");
    for (cudaStream_t& stream : streams_) {
      const auto make =
          driver_function<PFN_cuGreenCtxStreamCreate_v12050>("cuGreenCtxStreamCreate", version);
      check_driver(make(&stream, green_, CU_STREAM_NON_BLOCKING, 0), "cuGreenCtxStreamCreate");
    }
  }
  partition(const partition&) = delete;
  partition& operator=(const partition&) = delete;
  ~partition() {
    for (const cudaStream_t stream : streams_)
      EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    EXPECT_EQ(driver_function<PFN_cuGreenCtxDestroy_v12040>("cuGreenCtxDestroy", version)(green_),
              CUDA_SUCCESS);
  }

  [[nodiscard]] int count() const { return count_; }
  [[nodiscard]] CUcontext context() const { return context_; }
  [[nodiscard]] cudaStream_t stream(std::size_t which = 0) const { return streams_[which]; }

 private:
  static constexpr unsigned version = 12050;

  int count_ = 0;
  CUgreenCtx green_ = nullptr;
  CUcontext context_ = nullptr;
  std::array<cudaStream_t, 2> streams_{};
};

std::vector<ssu_case> cases() {
  case_spec spec;
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.nheads = 8;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = dtype::bfloat16;
  spec.io_dtype = dtype::bfloat16;
  return make_layers(spec, 2);
}

class partitions : public testing::Test {
 protected:
  static constexpr std::size_t bitmap_bytes = 32;

  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
    ASSERT_EQ(cudaFree(nullptr), cudaSuccess);
    part_.emplace(16u);
    layers_.emplace(target::cuda, cases(), true);
    bitmap_.emplace(place::device, bitmap_bytes);
  }

  /** A pipeline whose last step tells which multiprocessors it ran on. */
  [[nodiscard]] pipeline build(const recording_options& options = {}) const {
    pipeline_builder builder = layers_->builder(bucket_policy{{2, most_sequences}});
    builder.recording(options).step("mark", [this](const step_context&, stream_handle on) {
      enqueue_mark_multiprocessors(bitmap_->data(), on);
    });
    return builder.build();
  }

  /** How many multiprocessors the last step saw since the last call. */
  int marked(cudaStream_t stream) {
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    std::array<std::byte, bitmap_bytes> bitmap{};
    bitmap_->read(0, bitmap);
    bitmap_->write(0, std::array<std::byte, bitmap_bytes>{});
    int count = 0;
    for (const std::byte byte : bitmap)
      count += std::popcount(std::to_integer<unsigned>(byte));
    return count;
  }

  /** The contexts that kernels of the graph of `lane` run in. */
  static std::vector<CUcontext> contexts_of(lane& lane) {
    cudaGraph_t parent = nullptr;
    cudaGraph_t child = nullptr;
    std::int32_t* live = nullptr;
    EXPECT_EQ(cudaMalloc(reinterpret_cast<void**>(&live), sizeof *live), cudaSuccess);
    EXPECT_EQ(cudaGraphCreate(&parent, 0), cudaSuccess);
    const cudaGraphNode_t node = lane.add_child_graph(parent, {}, most_sequences, live);
    EXPECT_EQ(cudaGraphChildGraphNodeGetGraph(node, &child), cudaSuccess);
    std::array<cudaGraphNode_t, 16> nodes{};
    std::size_t count = nodes.size();
    EXPECT_EQ(cudaGraphGetNodes(child, nodes.data(), &count), cudaSuccess);
    const auto params_of =
        driver_function<PFN_cuGraphKernelNodeGetParams_v12000>("cuGraphKernelNodeGetParams");
    std::vector<CUcontext> contexts;
    for (std::size_t i = 0; i < count; ++i) {
      CUDA_KERNEL_NODE_PARAMS params{};
      EXPECT_EQ(params_of(nodes[i], &params), CUDA_SUCCESS);
      contexts.push_back(params.ctx);
    }
    EXPECT_EQ(cudaGraphDestroy(parent), cudaSuccess);
    EXPECT_EQ(cudaFree(live), cudaSuccess);
    return contexts;
  }

  std::optional<partition> part_;
  std::optional<model> layers_;
  std::optional<placed_memory> bitmap_;
};

TEST_F(partitions, graphs_stay_on_the_multiprocessors_of_their_stream) {
  const pipeline built = build();
  const cudaStream_t on_part = part_->stream();
  {
    const placed_stream on_all{place::device};
    lane whole = built.make_lane(on_all.get());
    whole.replay(2, on_all.get());
    EXPECT_GT(marked(on_all.get()), part_->count()) << "the step sees no more on the whole device";
  }

  lane own = built.make_lane(on_part);
  const auto expect_there = [&](const char* after) {
    own.replay(2, on_part);
    EXPECT_EQ(marked(on_part), part_->count()) << after;
    own.replay(1, on_part);
    EXPECT_EQ(marked(on_part), part_->count()) << after << ", another batch";
    own.run_eager(2, on_part);
    EXPECT_EQ(marked(on_part), part_->count()) << after << ", run_eager";
    EXPECT_EQ(contexts_of(own), std::vector(4, part_->context())) << after;
  };
  expect_there("made");
  (void)own.rebind({});
  expect_there("rebound");
  own.rebuild(2);
  expect_there("rebuilt");
  own.move_to(part_->stream(1));
  own.replay(2, part_->stream(1));
  EXPECT_EQ(marked(part_->stream(1)), part_->count()) << "moved";
  own.move_to(on_part);
  // A thread that never used CUDA has no context.
  std::thread{[&] { own.replay(2, on_part); }}.join();
  EXPECT_EQ(marked(on_part), part_->count()) << "from another thread";

  lane lazy = build({.lazy = true}).make_lane(on_part);
  lazy.replay(2, on_part);
  EXPECT_EQ(marked(on_part), part_->count()) << "recorded by its first use";
}

TEST_F(partitions, keep_graphs_whose_nodes_get_other_addresses) {
  model others{target::cuda, cases(), true};
  const pipeline built = layers_->build(bucket_policy{{2, most_sequences}});
  const cudaStream_t stream = part_->stream();
  lane own = built.make_lane(stream);
  std::vector<binding> bindings;
  for (const char* name : {"state", "x", "out"}) {
    for (const named_tensor& tensor : ssu_tensors) {
      if (std::string{name} == tensor.name)
        bindings.push_back({"layer0", name, (others.args(0).*tensor.member).data()});
    }
  }
  const std::vector<arena> before = others.read();
  EXPECT_EQ(own.rebind(bindings), std::vector(2, rebind_outcome::updated));
  EXPECT_EQ(contexts_of(own), std::vector(3, part_->context()));
  own.replay(most_sequences, stream);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_NE(others.read(), before);
}

/** A callable may set devices; that is nothing to the nodes behind it. */
TEST_F(partitions, keep_graphs_whose_steps_set_the_device) {
  pipeline_builder builder{{}, bucket_policy{{most_sequences}}};
  builder.step("sets", [this](const step_context&, stream_handle on) {
    EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
    enqueue_mark_multiprocessors(bitmap_->data(), on);
  });
  builder.ssu("layer", layers_->args(0));
  lane own = builder.build().make_lane(part_->stream());
  EXPECT_EQ(contexts_of(own), std::vector(3, part_->context()));
  own.replay(2, part_->stream());
  EXPECT_EQ(marked(part_->stream()), part_->count());
}

/** CUDA has a green context current in one thread at a time, and so the library in none. */
TEST_F(partitions, serve_several_threads) {
  model others{target::cuda, cases(), true};
  const auto serve = [this](model& layers, cudaStream_t stream) {
    for (int round = 0; round < 5; ++round) {
      lane own = layers.build(bucket_policy{{2, most_sequences}}).make_lane(stream);
      for (int i = 0; i < 200; ++i) {
        own.replay(1 + i % most_sequences, stream);
        own.run_eager(1 + (i + 3) % most_sequences, stream);
      }
      (void)own.rebind({});
      own.replay(2, stream);
      EXPECT_EQ(contexts_of(own), std::vector(3, part_->context()));
      EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    }
  };
  std::thread other{[&] { serve(others, part_->stream(1)); }};
  serve(*layers_, part_->stream(0));
  other.join();
  EXPECT_EQ(layers_->read(), others.read()) << "the same steps on the same values";
}

/** The plans of a lane on a part are its own: the whole device's go by the whole device. */
TEST_F(partitions, are_not_what_is_planned_for_where_one_is_current) {
  const placed_stream on_all{place::device};
  ASSERT_EQ(driver_function<PFN_cuCtxPushCurrent_v4000>("cuCtxPushCurrent")(part_->context()),
            CUDA_SUCCESS);
  const pipeline built = build();
  CUcontext popped = nullptr;
  ASSERT_EQ(driver_function<PFN_cuCtxPopCurrent_v4000>("cuCtxPopCurrent")(&popped), CUDA_SUCCESS);
  lane own = built.make_lane(on_all.get());
  own.replay(2, on_all.get());
  EXPECT_GT(marked(on_all.get()), part_->count());
}

TEST_F(partitions, take_staged_batches) {
  staging_ring ring{64, 2, device{0}};
  for (int i = 0; i < 5; ++i) {
    ring.begin();
    ring.take<std::int32_t>(layers_->args(0).state_batch_indices, 1)[0] = 1;
    ring.submit(part_->stream());
  }
  EXPECT_EQ(cudaStreamSynchronize(part_->stream()), cudaSuccess);
}

TEST_F(partitions, are_bound_to_tensors_that_came_later) {
  std::optional<model> gone{std::in_place, target::cuda, cases(), false};
  const pipeline built = gone->build(bucket_policy{{most_sequences}});
  std::vector<binding> bindings;
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (const named_tensor& tensor : ssu_tensors) {
      if (const tensor_view& view = layers_->args(layer).*tensor.member)
        bindings.push_back({model::name_of(layer), tensor.name, view.data()});
    }
  }
  gone.reset();
  lane own = built.make_lane(part_->stream(), bindings);
  own.replay(2, part_->stream());
  EXPECT_EQ(cudaStreamSynchronize(part_->stream()), cudaSuccess);
}

TEST_F(partitions, are_planned_for) {
  const pipeline built = build();
  const placed_stream on_all{place::device};
  const std::string whole = built.make_lane(on_all.get()).describe_json();
  const std::string part = built.make_lane(part_->stream()).describe_json();
  // 48 heads in all fill 16 multiprocessors with 8 rows a thread, but not 132.
  EXPECT_NE(whole.find("\"4x128\""), std::string::npos) << whole;
  EXPECT_NE(part.find("\"8x128\""), std::string::npos) << part;
}

TEST_F(partitions, replay_what_run_eager_gives) {
  const pipeline built = build();
  const cudaStream_t stream = part_->stream();
  const std::vector<arena> before = layers_->read();
  lane own = built.make_lane(stream);
  for (const std::int32_t batch : {6, 1, 2, 5})
    own.replay(batch, stream);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  const std::vector<arena> replayed = layers_->read();
  layers_->write(before);
  for (const std::int32_t batch : {6, 1, 2, 5})
    own.run_eager(batch, stream);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(layers_->read(), replayed);
  EXPECT_NE(replayed, before);
}

TEST_F(partitions, are_measured_by_automatic) {
  const std::string file = testing::TempDir() + "partitions_" + std::to_string(getpid()) + ".json";
  pipeline_builder builder{{.backend = "automatic"}, bucket_policy{{most_sequences}}};
  builder.tuning({.cache_file = file}).ssu("layer", layers_->args(0));
  const cudaStream_t stream = part_->stream();
  lane own = builder.build().make_lane(stream);
  own.replay(3, stream);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  std::ifstream kept{file};
  const std::string text{std::istreambuf_iterator<char>{kept}, {}};
  EXPECT_NE(text.find(" on " + std::to_string(part_->count()) + " multiprocessors"),
            std::string::npos)
      << text;
  std::filesystem::remove(file);
  std::filesystem::remove(file + ".lock");
}

TEST_F(partitions, have_no_strict_captures) {
  const pipeline built = build({.strict_capture = true});
  try {
    (void)built.make_lane(part_->stream());
    ADD_FAILURE() << "no error";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "strict_capture");
  }
}

TEST_F(partitions, keep_their_lanes) {
  const placed_stream on_all{place::device};
  lane own = build().make_lane(part_->stream());
  try {
    own.move_to(on_all.get());
    ADD_FAILURE() << "no error";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "stream");
  }
  EXPECT_EQ(own.stream(), part_->stream());
  own.replay(2, part_->stream());
  EXPECT_EQ(marked(part_->stream()), part_->count());
}

/** The caller's capture is of the caller's stream, wherever that is. */
TEST_F(partitions, captures_of_callers_run_where_their_stream_is) {
  const std::int32_t batch = 2;
  placed_memory live{place::device, sizeof batch};
  live.write(0, std::as_bytes(std::span{&batch, 1}));
  const placed_stream on_all{place::device};
  lane own = build().make_lane(on_all.get());
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(part_->stream(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  own.record(2, reinterpret_cast<const std::int32_t*>(live.data()), part_->stream());
  ASSERT_EQ(cudaStreamEndCapture(part_->stream(), &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(exec, part_->stream()), cudaSuccess);
  EXPECT_EQ(marked(part_->stream()), part_->count());
  EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

}  // namespace
}  // namespace ssugraph::test
