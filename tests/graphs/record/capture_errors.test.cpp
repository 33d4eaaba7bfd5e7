#include "tests/graphs/replay.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

/** Custom steps that do what a graph cannot keep: named errors, a second try, and nothing spoiled.
 */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 4;

/** What this process alone has in use; the card's own count is everybody's. */
struct own_memory {
  std::uint64_t in_pool = 0;    ///< of the device, allocated in stream order
  std::uint64_t in_graphs = 0;  ///< of the device, by nodes of graphs
  std::int64_t resident = 0;    ///< of the host: streams, events and graphs are objects there

  static own_memory now() {
    own_memory used;
    cudaMemPool_t pool = nullptr;
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_EQ(cudaDeviceGetMemPool(&pool, 0), cudaSuccess);
    EXPECT_EQ(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used.in_pool),
              cudaSuccess);
    EXPECT_EQ(cudaDeviceGetGraphMemAttribute(0, cudaGraphMemAttrUsedMemCurrent, &used.in_graphs),
              cudaSuccess);
    std::int64_t pages = 0;
    std::ifstream{"/proc/self/statm"} >> pages >> pages;
    used.resident = pages * sysconf(_SC_PAGESIZE);
    return used;
  }
};

class capture_errors : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    layers_.emplace(target::cuda, make_layers(spec, 1), false);
    stream_.emplace(place::device);
    memory_.emplace(place::device, 1024);
  }

  [[nodiscard]] pipeline pipeline_with(step_function step, recording_options options = {}) const {
    pipeline_builder builder{{}, bucket_policy{{most_sequences}}};
    builder.recording(options).ssu("layer", layers_->args(0)).step("mine", std::move(step));
    return builder.build();
  }

  /** A step that enqueues a copy and then does `what`. */
  [[nodiscard]] step_function doing(std::function<void(stream_handle)> what) {
    return [this, what = std::move(what)](const step_context&, stream_handle stream) {
      ++calls_;
      enqueue_copy(place::device, memory_->data(), memory_->data() + 512, 64, stream);
      what(stream);
    };
  }

  /** The device, the stream and pipelines still work. */
  void expect_usable() {
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    lane lane = pipeline_with(doing([](stream_handle) {})).make_lane(stream_->get());
    lane.replay(3, stream_->get());
    stream_->wait();
    EXPECT_EQ(lane.stats().retries, 0u);
  }

  template <class Error>
  void expect_refused(step_function step, const std::string& words,
                      recording_options options = {}) {
    const pipeline built = pipeline_with(std::move(step), options);
    try {
      (void)built.make_lane(stream_->get());
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("mine"), std::string::npos) << text;
      EXPECT_NE(text.find("bucket 4"), std::string::npos) << text;
      EXPECT_NE(text.find(words), std::string::npos) << text;
    }
    expect_usable();
  }

  static void allocate_and_forget_the_error() {
    void* memory = nullptr;
    if (cudaMalloc(&memory, 256) == cudaSuccess) cudaFree(memory);
    cudaGetLastError();
  }

  int calls_ = 0;
  std::optional<model> layers_;
  std::optional<placed_stream> stream_;
  std::optional<placed_memory> memory_;
};

TEST_F(capture_errors, a_step_that_adds_nothing) {
  expect_refused<invalid_argument>([](const step_context&, stream_handle) {}, "nothing");
}

TEST_F(capture_errors, memory_nodes) {
  expect_refused<invalid_argument>(doing([](stream_handle stream) {
                                     void* memory = nullptr;
                                     if (cudaMallocAsync(&memory, 256, stream) == cudaSuccess)
                                       cudaFreeAsync(memory, stream);
                                   }),
                                   "allocation");
}

TEST_F(capture_errors, copies_of_pageable_memory) {
  std::vector<std::byte> pageable(64);
  expect_refused<invalid_argument>(doing([&](stream_handle stream) {
                                     cudaMemcpyAsync(memory_->data(), pageable.data(), 64,
                                                     cudaMemcpyHostToDevice, stream);
                                   }),
                                   "pageable");
  expect_refused<invalid_argument>(doing([&](stream_handle stream) {
                                     cudaMemcpyAsync(pageable.data(), memory_->data(), 64,
                                                     cudaMemcpyDeviceToHost, stream);
                                   }),
                                   "pageable");
}

TEST_F(capture_errors, copies_of_pinned_memory_are_fine) {
  void* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 64), cudaSuccess);
  {
    lane lane = pipeline_with(doing([&](stream_handle stream) {
                  cudaMemcpyAsync(memory_->data(), pinned, 64, cudaMemcpyHostToDevice, stream);
                })).make_lane(stream_->get());
    lane.replay(2, stream_->get());
    stream_->wait();
  }
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(capture_errors, an_allocation_whose_error_was_swallowed) {
  expect_refused<cuda_error>(doing([](stream_handle) { allocate_and_forget_the_error(); }),
                             "captur");
  EXPECT_EQ(calls_, 1 + 3 + 1) << "the first try, three more, and the one that works";
}

TEST_F(capture_errors, a_synchronisation) {
  expect_refused<cuda_error>(doing([](stream_handle stream) { cudaStreamSynchronize(stream); }),
                             "captur");
}

TEST_F(capture_errors, an_exception_of_the_users_behind_a_spoiled_capture) {
  struct users_error {};
  const pipeline built = pipeline_with(doing([](stream_handle) {
    allocate_and_forget_the_error();
    throw users_error{};
  }));
  EXPECT_THROW((void)built.make_lane(stream_->get()), users_error);
  EXPECT_EQ(calls_, 4);
  expect_usable();
}

TEST_F(capture_errors, a_capture_spoiled_once_is_tried_again) {
  lane lane = pipeline_with(doing([this](stream_handle) {
                if (calls_ <= 2) allocate_and_forget_the_error();
              })).make_lane(stream_->get());
  EXPECT_EQ(lane.stats().retries, 2u);
  EXPECT_EQ(calls_, 3);
  lane.replay(2, stream_->get());
  stream_->wait();
}

TEST_F(capture_errors, a_capture_that_another_threads_synchronisation_spoiled_is_tried_again) {
  cudaError_t others = cudaSuccess;
  lane lane = pipeline_with(doing([&](stream_handle) {
                if (calls_ > 1) return;
                std::thread{[&] {
                  others = cudaDeviceSynchronize();
                  cudaGetLastError();
                }}.join();
              })).make_lane(stream_->get());
  EXPECT_EQ(others, cudaErrorStreamCaptureUnsupported) << "what that thread gets back";
  EXPECT_EQ(lane.stats().retries, 1u);
  expect_usable();
}

TEST_F(capture_errors, a_callable_that_ends_the_capture) {
  expect_refused<invalid_state>(doing([](stream_handle stream) {
                                  cudaGraph_t graph = nullptr;
                                  cudaStreamEndCapture(stream, &graph);
                                }),
                                "ended the capture");
  expect_refused<invalid_state>(doing([](stream_handle stream) {
                                  cudaGraph_t graph = nullptr;
                                  cudaStreamEndCapture(stream, &graph);
                                  cudaGraphDestroy(graph);
                                }),
                                "ended the capture");
}

TEST_F(capture_errors, a_fork_that_is_not_joined) {
  const placed_stream other{place::device};
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  expect_refused<cuda_error>(doing([&](stream_handle stream) {
                               cudaEventRecord(event, stream);
                               cudaStreamWaitEvent(other.get(), event, 0);
                               enqueue_copy(place::device, memory_->data(), memory_->data() + 256,
                                            64, other.get());
                             }),
                             "cudaStreamEndCapture");
  other.wait();
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

TEST_F(capture_errors, a_step_that_lets_the_next_one_start_early_is_fine) {
  if (!can_overlap()) GTEST_SKIP() << "no programmatic dependent launch here";
  pipeline_builder builder{{}, bucket_policy{{most_sequences}}};
  builder.step("early", doing([this](stream_handle stream) {
                 enqueue_slow_copy(memory_->data(), memory_->data() + 256, 64, 0,
                                   {.triggers = true}, stream);
                 overlap_next(stream);
               }));
  builder.ssu("layer", layers_->args(0));
  lane lane = builder.build().make_lane(stream_->get());
  lane.replay(3, stream_->get());
  stream_->wait();
  expect_usable();
}

TEST_F(capture_errors, use_of_the_legacy_stream_in_a_strict_build) {
  const auto on_legacy = [&](stream_handle) {
    cudaMemsetAsync(memory_->data(), 0, 64, cudaStreamLegacy);
    cudaGetLastError();
  };
  expect_refused<cuda_error>(doing(on_legacy), "captur", {.strict_capture = true});
  // Not asked to look, nobody sees it.
  EXPECT_NO_THROW((void)pipeline_with(doing(on_legacy)).make_lane(stream_->get()));
  ASSERT_EQ(cudaStreamSynchronize(cudaStreamLegacy), cudaSuccess);
}

TEST_F(capture_errors, leak_nothing) {
  struct users_error {};
  const std::vector<pipeline> failing{
      pipeline_with([](const step_context&, stream_handle) {}),
      pipeline_with(doing([](stream_handle) { throw users_error{}; })),
      pipeline_with(doing([](stream_handle) { allocate_and_forget_the_error(); })),
      pipeline_with(doing([](stream_handle stream) {
        void* memory = nullptr;
        if (cudaMallocAsync(&memory, 256, stream) == cudaSuccess) cudaFreeAsync(memory, stream);
      })),
      pipeline_with(doing([](stream_handle stream) {
        cudaGraph_t graph = nullptr;
        if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
      }))};
  const auto fail = [&](int times) {
    for (int i = 0; i < times; ++i) {
      for (const pipeline& one : failing)
        EXPECT_ANY_THROW((void)one.make_lane(stream_->get()));
    }
  };
  constexpr int times = 100;
  constexpr std::int64_t bytes_a_lane = 8 << 10;  // the allocator keeps some
  const auto lanes = static_cast<std::int64_t>(times * failing.size());
  fail(times);  // what is taken once
  const own_memory before = own_memory::now();
  fail(times);
  const own_memory after = own_memory::now();
  EXPECT_EQ(after.in_pool, before.in_pool) << "memory of lanes that were never made";
  EXPECT_EQ(after.in_graphs, before.in_graphs) << "memory of nodes that were refused";
  EXPECT_LE(after.resident, before.resident + lanes * bytes_a_lane);
  expect_usable();
}

TEST_F(capture_errors, a_warm_up_is_neither_captured_nor_live) {
  struct {
    int calls = 0;
    bool captured = false;
    std::int32_t live = -1;
    std::int32_t slot = -1;
  } seen;
  pipeline_builder builder{{}, bucket_policy{{2, most_sequences}}};
  builder.ssu("layer", layers_->args(0));
  builder.step("mine",
               [&](const step_context& context, stream_handle stream) {
                 cudaStreamCaptureStatus status{};
                 ASSERT_EQ(cudaStreamIsCapturing(stream, &status), cudaSuccess);
                 enqueue_copy(place::device, memory_->data(), memory_->data() + 512, 64, stream);
                 if (seen.calls++ > 0) return;
                 seen.captured = status != cudaStreamCaptureStatusNone;
                 ASSERT_EQ(cudaMemcpyAsync(&seen.live, context.live_sequences, 4,
                                           cudaMemcpyDeviceToHost, stream),
                           cudaSuccess);
                 ASSERT_EQ(cudaMemcpyAsync(&seen.slot, context.state_batch_indices.data(), 4,
                                           cudaMemcpyDeviceToHost, stream),
                           cudaSuccess);
                 ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
                 void* memory = nullptr;  // as a library may on its first use
                 ASSERT_EQ(cudaMalloc(&memory, 256), cudaSuccess);
                 ASSERT_EQ(cudaFree(memory), cudaSuccess);
               },
               {.seeds = 3, .warm_up = true});
  const arena before = layers_->memory(0).read_all();
  lane lane = builder.build().make_lane(stream_->get());
  EXPECT_EQ(seen.calls, 1 + 2) << "the warm-up, then each bucket";
  EXPECT_FALSE(seen.captured);
  EXPECT_EQ(seen.live, 0);
  EXPECT_EQ(seen.slot, 0) << "the null block";
  EXPECT_EQ(lane.random_state(), random_state{});
  EXPECT_EQ(lane.stats().retries, 0u);
  EXPECT_EQ(layers_->memory(0).read_all(), before);
}

TEST_F(capture_errors, a_warm_up_that_throws_has_run_before_its_memory_is_freed) {
  struct users_error {};
  cudaEvent_t written = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&written, cudaEventDisableTiming), cudaSuccess);
  pipeline_builder builder{{}, bucket_policy{{most_sequences}}};
  builder.ssu("layer", layers_->args(0));
  builder.step("mine",
               [&](const step_context& context, stream_handle stream) {
                 enqueue_slow_copy(context.scratch.data(), memory_->data(), 256, 50'000, {},
                                   stream);
                 ASSERT_EQ(cudaEventRecord(written, stream), cudaSuccess);
                 throw users_error{};
               },
               {.scratch_bytes = 256, .warm_up = true});
  EXPECT_THROW((void)builder.build().make_lane(stream_->get()), users_error);
  EXPECT_EQ(cudaEventQuery(written), cudaSuccess) << "the lane is gone, but not its work";
  EXPECT_EQ(cudaEventDestroy(written), cudaSuccess);
  expect_usable();
}

}  // namespace
}  // namespace ssugraph::test
