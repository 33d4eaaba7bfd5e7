#include "tests/graphs/step_kernels.hpp"
#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

/** A lane's steps in graphs that the caller captures or builds. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 8;
constexpr std::size_t layer_count = 3;

using graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, decltype(&cudaGraphDestroy)>;
using graph_exec =
    std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, decltype(&cudaGraphExecDestroy)>;

void check(cudaError_t error) {
  ASSERT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

graph_exec instantiated(cudaGraph_t from) {
  cudaGraphExec_t exec = nullptr;
  check(cudaGraphInstantiate(&exec, from, 0));
  return {exec, cudaGraphExecDestroy};
}

/** The edges of a straight line of nodes, from its start: `f` full, `p` programmatic. */
std::string edges_along(cudaGraph_t line) {
  std::string edges;
  cudaGraphNode_t node = nullptr;
  cudaGraphEdgeData edge{};
  std::size_t count = 1;
  check(cudaGraphGetRootNodes(line, &node, &count));
  while (true) {
    check(cudaGraphNodeGetDependentNodes(node, nullptr, nullptr, &count));
    if (count == 0) return edges;
    EXPECT_EQ(count, 1u) << "not a straight line";
    count = 1;
    check(cudaGraphNodeGetDependentNodes(node, &node, &edge, &count));
    edges += edge.type == cudaGraphDependencyTypeProgrammatic ? 'p' : 'f';
  }
}

class callers_capture : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    stream_.emplace(place::device);
    copy_.emplace(place::device, 512);
    live_.emplace(place::device, sizeof(std::int32_t));
  }

  static std::vector<ssu_case> cases(ssu_mode mode) {
    case_spec spec;
    spec.mode = mode;
    spec.has_cu_seqlens = mode != ssu_mode::plain;
    spec.max_seqlen = mode == ssu_mode::plain ? 1 : 2;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    spec.nheads = 2;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    return make_layers(spec, layer_count);
  }

  /** The layers with a custom step in front of the last one. */
  pipeline build(const model& layers) const {
    pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{3, 8}}};
    builder.ssu("layer0", layers.args(0)).ssu("layer1", layers.args(1));
    builder.step("copy",
                 [this](const step_context& context, stream_handle stream) {
                   enqueue_copy(place::device, copy_->data(), context.seeds.data(), 8, stream);
                 },
                 {.seeds = 1});
    builder.ssu("layer2", layers.args(2));
    return builder.build();
  }

  [[nodiscard]] const std::int32_t* live() const {
    return reinterpret_cast<const std::int32_t*>(live_->data());
  }
  void set_live(std::int32_t batch) { live_->write(0, std::as_bytes(std::span{&batch, 1})); }

  graph captured_graph(cudaStreamCaptureMode mode, const std::function<void()>& record) {
    check(cudaStreamBeginCapture(stream_->get(), mode));
    record();
    cudaGraph_t raw = nullptr;
    check(cudaStreamEndCapture(stream_->get(), &raw));
    return {raw, cudaGraphDestroy};
  }
  graph_exec captured(cudaStreamCaptureMode mode, const std::function<void()>& record) {
    return instantiated(captured_graph(mode, record).get());
  }

  void launch(const graph_exec& exec) {
    check(cudaGraphLaunch(exec.get(), stream_->get()));
    stream_->wait();
  }

  /** What `record` puts into a capture does what a replay does, random state included. */
  void expect_like_replay(ssu_mode mode, cudaStreamCaptureMode capture_mode,
                          const std::function<void(lane&, std::int32_t bucket)>& record) {
    SCOPED_TRACE(to_string(mode));
    model replayed{target::cuda, cases(mode), true};
    model captured_by_caller{target::cuda, cases(mode), true};
    lane replaying = build(replayed).make_lane(stream_->get());
    lane recording = build(captured_by_caller).make_lane(stream_->get());
    for (lane* one : {&replaying, &recording})
      one->set_random_state({4, 4}, stream_->get());
    std::vector<graph_exec> graphs;
    for (const std::int32_t bucket : {3, 8})
      graphs.push_back(captured(capture_mode, [&] { record(recording, bucket); }));
    for (const std::int32_t batch : {2, 8, 3, 1, 5, 4, 8, 2}) {
      replaying.replay(batch, stream_->get());
      stream_->wait();
      set_live(batch);
      launch(graphs[batch <= 3 ? 0 : 1]);
      ASSERT_EQ(captured_by_caller.read(), replayed.read()) << "batch " << batch;
    }
    EXPECT_EQ(recording.random_state(), replaying.random_state());
    // The lane's own graphs go on where the caller's left off.
    replaying.replay(7, stream_->get());
    recording.replay(7, stream_->get());
    stream_->wait();
    EXPECT_EQ(captured_by_caller.read(), replayed.read());
  }

  std::optional<placed_stream> stream_;
  std::optional<placed_memory> copy_;
  std::optional<placed_memory> live_;
};

TEST_F(callers_capture, of_everything_does_what_a_replay_does) {
  const auto all = [this](lane& lane, std::int32_t bucket) {
    lane.record(bucket, live(), stream_->get());
  };
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative})
    expect_like_replay(mode, cudaStreamCaptureModeGlobal, all);
  expect_like_replay(ssu_mode::plain, cudaStreamCaptureModeThreadLocal, all);
  expect_like_replay(ssu_mode::plain, cudaStreamCaptureModeRelaxed, all);
}

TEST_F(callers_capture, of_steps_between_the_callers_own_work) {
  expect_like_replay(
      ssu_mode::varlen, cudaStreamCaptureModeGlobal, [this](lane& lane, std::int32_t bucket) {
        lane.record_prologue(bucket, live(), stream_->get());
        for (std::size_t step = 0; step < 4; ++step) {
          enqueue_copy(place::device, copy_->data() + 64, copy_->data() + 256, 64, stream_->get());
          lane.record_step(step, stream_->get());
        }
      });
}

TEST_F(callers_capture, on_a_stream_that_forked_off) {
  const placed_stream side{place::device};
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  expect_like_replay(ssu_mode::plain, cudaStreamCaptureModeGlobal,
                     [&](lane& lane, std::int32_t bucket) {
                       lane.record_prologue(bucket, live(), stream_->get());
                       lane.record_step(0, stream_->get());
                       check(cudaEventRecord(event, stream_->get()));
                       check(cudaStreamWaitEvent(side.get(), event, 0));
                       lane.record_step(1, side.get());
                       lane.record_step(2, side.get());
                       check(cudaEventRecord(event, side.get()));
                       check(cudaStreamWaitEvent(stream_->get(), event, 0));
                       lane.record_step(3, stream_->get());
                     });
  check(cudaEventDestroy(event));
}

TEST_F(callers_capture, as_a_child_graph) {
  expect_like_replay(
      ssu_mode::plain, cudaStreamCaptureModeGlobal, [this](lane& lane, std::int32_t bucket) {
        cudaStreamCaptureStatus status{};
        cudaGraph_t into = nullptr;
        const cudaGraphNode_t* nodes = nullptr;
        std::size_t count = 0;
        check(cudaStreamGetCaptureInfo(stream_->get(), &status, nullptr, &into, &nodes, nullptr,
                                       &count));
        cudaGraphNode_t node = lane.add_child_graph(into, {nodes, count}, bucket, live());
        check(cudaStreamUpdateCaptureDependencies(stream_->get(), &node, nullptr, 1,
                                                  cudaStreamSetCaptureDependencies));
      });
}

TEST_F(callers_capture, overlaps_neighbours_and_nothing_else) {
  if (!can_overlap()) GTEST_SKIP() << "no programmatic dependent launch here";
  const model layers{target::cuda, cases(ssu_mode::plain), true};
  pipeline_builder builder = layers.builder(bucket_policy{{8}}).recording({.checked = false});
  lane lane = builder.build().make_lane(stream_->get());
  const stream_handle stream = stream_->get();
  const auto edges_of = [&](const std::function<void()>& record) {
    return edges_along(captured_graph(cudaStreamCaptureModeGlobal, record).get());
  };
  const auto enqueue_kernel = [&] {
    enqueue_slow_copy(copy_->data(), copy_->data() + 256, 64, 0, {.triggers = true}, stream);
  };
  EXPECT_EQ(edges_of([&] { lane.record(8, live(), stream); }), "fpp");
  EXPECT_EQ(edges_of([&] {
              lane.record_prologue(8, live(), stream);
              lane.record_step(0, stream);
              enqueue_kernel();
              lane.record_step(1, stream);
              lane.record_step(2, stream);
            }),
            "fffp");
  EXPECT_EQ(edges_of([&] {
              enqueue_kernel();
              overlap_next(stream);
              lane.record_prologue(8, live(), stream);
              lane.record_step(0, stream);
              enqueue_kernel();
              overlap_next(stream);
              lane.record_step(1, stream);
              lane.record_step(2, stream);
            }),
            "ffffp")
      << "the caller's kernels may be overlapped, but not by ours";

  cudaGraph_t raw = nullptr;
  check(cudaGraphCreate(&raw, 0));
  const graph parent{raw, cudaGraphDestroy};
  cudaGraph_t child = nullptr;
  check(cudaGraphChildGraphNodeGetGraph(lane.add_child_graph(raw, {}, 8, live()), &child));
  EXPECT_EQ(edges_along(child), "fpp");
}

TEST_F(callers_capture, counts_a_batch_out_of_range_as_the_nearest_in_it) {
  model layers{target::cuda, cases(ssu_mode::plain), true};
  lane lane = build(layers).make_lane(stream_->get());
  const graph_exec exec =
      captured(cudaStreamCaptureModeGlobal, [&] { lane.record(3, live(), stream_->get()); });
  const auto before = layers.read();
  const auto after = [&](std::int32_t batch) {
    layers.write(before);
    lane.set_random_state({1, 0}, stream_->get());
    set_live(batch);
    launch(exec);
    return layers.read();
  };
  const auto none = after(0);
  EXPECT_EQ(lane.random_state(), (random_state{1, 4})) << "the seeds are drawn all the same";
  EXPECT_EQ(after(-5), none);
  EXPECT_EQ(after(100), after(3));
  EXPECT_NE(after(3), none);
}

TEST_F(callers_capture, refuses_what_it_cannot_record) {
  model layers{target::cuda, cases(ssu_mode::plain), true};
  lane lane = build(layers).make_lane(stream_->get());
  const stream_handle stream = stream_->get();
  EXPECT_THROW(lane.record(3, live(), stream), invalid_state) << "no capture";
  EXPECT_THROW(lane.record_step(0, stream), invalid_state) << "no capture";
  const graph_exec exec = captured(cudaStreamCaptureModeGlobal, [&] {
    EXPECT_THROW(lane.record_step(0, stream), invalid_state) << "no prologue";
    EXPECT_THROW(lane.record(5, live(), stream), invalid_argument) << "no bucket";
    EXPECT_THROW(lane.record(3, nullptr, stream), invalid_argument);
    const std::int32_t pageable = 3;
    EXPECT_THROW(lane.record(3, &pageable, stream), invalid_argument);
    EXPECT_THROW(lane.replay(3, stream), invalid_state) << "a replay in a capture";
    lane.record_prologue(3, live(), stream);
    EXPECT_THROW(lane.record_step(4, stream), invalid_argument) << "out of range";
    for (const std::size_t step : {3u, 1u, 0u, 2u})
      lane.record_step(step, stream);
    EXPECT_THROW(lane.record_step(1, stream), invalid_state) << "twice";
  });
  set_live(2);
  launch(exec);
  const graph_exec next = captured(cudaStreamCaptureModeGlobal, [&] {
    EXPECT_THROW(lane.record_step(1, stream), invalid_state) << "the prologue of another capture";
  });
  lane.replay(3, stream);
  stream_->wait();
}

TEST_F(callers_capture, wants_its_prologue_again_after_a_rebind) {
  const model layers{target::cuda, cases(ssu_mode::plain), true};
  const model others{target::cuda, cases(ssu_mode::plain), true};
  const placed_stream elsewhere{place::device};
  lane lane = layers.build(bucket_policy{{3}}).make_lane(stream_->get());
  check(cudaStreamBeginCapture(elsewhere.get(), cudaStreamCaptureModeRelaxed));
  lane.record_prologue(3, live(), elsewhere.get());
  lane.record_step(0, elsewhere.get());
  (void)lane.rebind(std::vector<binding>{{"layer1", "state", others.args(1).state.data()}});
  EXPECT_THROW(lane.record_step(1, elsewhere.get()), invalid_state);
  lane.record(3, live(), elsewhere.get());
  cudaGraph_t raw = nullptr;
  check(cudaStreamEndCapture(elsewhere.get(), &raw));
  check(cudaGraphDestroy(raw));
}

/** Custom steps that do in the caller's capture what a graph cannot keep. */
class steps_in_callers_capture : public callers_capture {
 protected:
  /** Step "mine" does `what` and is refused in words that name it; then all goes on. */
  template <class Error>
  void expect_refused(const std::function<void(stream_handle)>& what, const std::string& words) {
    const model layers{target::cuda, cases(ssu_mode::plain), true};
    bool well_behaved = false;
    pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{3, 8}}};
    builder.recording({.lazy = true}).ssu("layer0", layers.args(0));
    builder.step("mine", [&](const step_context&, stream_handle stream) {
      if (!well_behaved) return what(stream);
      enqueue_copy(place::device, copy_->data(), copy_->data() + 256, 64, stream);
    });
    lane lane = builder.build().make_lane(stream_->get());
    check(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeThreadLocal));
    lane.record_prologue(3, live(), stream_->get());
    lane.record_step(0, stream_->get());
    try {
      lane.record_step(1, stream_->get());
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      const std::string text = error.what();
      for (const std::string& part : {std::string{"mine"}, std::string{"bucket 3"}, words})
        EXPECT_NE(text.find(part), std::string::npos) << text;
    }
    drop_capture();
    well_behaved = true;
    const graph_exec exec =
        captured(cudaStreamCaptureModeThreadLocal, [&] { lane.record(3, live(), stream_->get()); });
    set_live(2);
    launch(exec);
    EXPECT_EQ(lane.random_state(), (random_state{0, 1}));
  }

  /** Ends the capture of the stream, whatever became of it. */
  void drop_capture() {
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream_->get(), &graph) == cudaSuccess) check(cudaGraphDestroy(graph));
    cudaGetLastError();
  }
};

TEST_F(steps_in_callers_capture, that_add_nothing) {
  expect_refused<invalid_argument>([](stream_handle) {}, "nothing");
}

TEST_F(steps_in_callers_capture, that_allocate_in_stream_order) {
  expect_refused<invalid_argument>(
      [](stream_handle stream) {
        void* memory = nullptr;
        check(cudaMallocAsync(&memory, 256, stream));
        check(cudaFreeAsync(memory, stream));
      },
      "allocation");
}

TEST_F(steps_in_callers_capture, that_copy_from_pageable_memory) {
  const std::vector<std::byte> pageable(64);
  expect_refused<invalid_argument>(
      [&](stream_handle stream) {
        enqueue_copy(place::device, copy_->data(), copy_->data() + 256, 64, stream);
        check(cudaMemcpyAsync(copy_->data(), pageable.data(), 64, cudaMemcpyHostToDevice, stream));
      },
      "pageable");
}

TEST_F(steps_in_callers_capture, that_spoil_it_and_swallow_the_error) {
  expect_refused<cuda_error>(
      [&](stream_handle stream) {
        enqueue_copy(place::device, copy_->data(), copy_->data() + 256, 64, stream);
        void* memory = nullptr;
        EXPECT_NE(cudaMalloc(&memory, 256), cudaSuccess);
        cudaGetLastError();
      },
      "captur");
}

TEST_F(steps_in_callers_capture, that_end_it) {
  const auto end = [](stream_handle stream) {
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream, &graph));
    check(cudaGraphDestroy(graph));
  };
  expect_refused<invalid_state>(end, "ended the capture");
  expect_refused<invalid_state>(
      [&](stream_handle stream) {
        end(stream);
        check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
      },
      "ended the capture");
}

TEST_F(callers_capture, survives_a_destructor_in_the_middle) {
  model layers{target::cuda, cases(ssu_mode::plain), true};
  model others{target::cuda, cases(ssu_mode::plain), true};
  const placed_stream elsewhere{place::device};
  lane lane = build(layers).make_lane(stream_->get());
  std::optional<ssugraph::lane> other = build(others).make_lane(elsewhere.get());
  other->replay(3, elsewhere.get());
  const graph_exec exec = captured(cudaStreamCaptureModeGlobal, [&] {
    lane.record_prologue(3, live(), stream_->get());
    other.reset();
    for (std::size_t step = 0; step < 4; ++step)
      lane.record_step(step, stream_->get());
  });
  set_live(2);
  launch(exec);
}

TEST(host_pipeline, has_no_graphs_to_record) {
  case_spec spec;
  model layers{target::host, make_layers(spec, 1), false};
  lane lane = layers.build(bucket_policy{{3}}).make_lane(nullptr);
  const std::int32_t live = 3;
  EXPECT_THROW(lane.record(3, &live, nullptr), invalid_state);
  EXPECT_THROW(lane.record_prologue(3, &live, nullptr), invalid_state);
  EXPECT_THROW(lane.record_step(0, nullptr), invalid_state);
}

}  // namespace
}  // namespace ssugraph::test
