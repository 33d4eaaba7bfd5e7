#include "tests/graphs/replay.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

/** Lanes made while other threads use the device as they like. */
namespace ssugraph::test {
namespace {

/** SSUGRAPH_TEST_BUILDS, or a few. */
int build_count() {
  const char* text = std::getenv("SSUGRAPH_TEST_BUILDS");
  return text == nullptr ? 50 : std::atoi(text);
}

constexpr std::int32_t most_sequences = 8;

/** A thread that makes CUDA calls for as long as it lives, and counts those that failed. */
class busy_thread {
 public:
  busy_thread(std::string name, std::function<cudaError_t()> call)
      : name_{std::move(name)}, thread_{[this, call = std::move(call)] {
          while (!stop_) {
            ++calls_;
            if (!succeeds(call)) ++failures_;
            cudaGetLastError();
          }
        }} {}
  ~busy_thread() { finish(); }

  /** Stops the thread and prints its counts. */
  long finish() {
    if (!thread_.joinable()) return failures_;
    stop_ = true;
    thread_.join();
    std::printf("  %-28s %8ld calls, %ld failed\n", name_.c_str(), calls_, failures_);
    return failures_;
  }

 private:
  static bool succeeds(const std::function<cudaError_t()>& call) {
    try {
      return call() == cudaSuccess;
    } catch (const std::exception&) {
      return false;
    }
  }

  std::string name_;
  std::atomic<bool> stop_ = false;
  long calls_ = 0;
  long failures_ = 0;
  std::thread thread_;
};

class other_threads : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    memory_.emplace(place::device, 4096);
    stream_.emplace(place::device);
    theirs_.emplace(place::device);
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    layers_.emplace(target::cuda, make_layers(spec, 4), true);
    ASSERT_EQ(launch_on(theirs_->get()), cudaSuccess) << "their kernel, loaded";
  }

  static cudaError_t allocate() {
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, 1 << 20);
    return error == cudaSuccess ? cudaFree(memory) : error;
  }
  cudaError_t launch_on(cudaStream_t stream) {
    enqueue_slow_copy(memory_->data(), memory_->data() + 512, 256, 1, {}, stream);
    return cudaStreamSynchronize(stream);
  }

  /** Makes lanes, and prints how often a recording had to be repeated. */
  void make_lanes(const pipeline& built) {
    std::uint64_t retries = 0;
    int lost = 0;
    std::string first_error;
    const int builds = build_count();
    for (int build = 0; build < builds; ++build) {
      try {
        lane lane = built.make_lane(stream_->get());
        retries += lane.stats().retries;
        lane.replay(1 + build % most_sequences, stream_->get());
      } catch (const cuda_error& error) {
        if (lost++ == 0) first_error = error.what();
      }
    }
    stream_->wait();
    std::printf("  %d builds, %d lost, %llu retries\n", builds, lost,
                static_cast<unsigned long long>(retries));
    EXPECT_EQ(lost, 0) << first_error;
  }

  std::optional<placed_memory> memory_;
  std::optional<placed_stream> stream_;
  std::optional<placed_stream> theirs_;
  std::optional<model> layers_;
};

TEST_F(other_threads, may_do_anything_while_library_kernels_are_recorded) {
  const pipeline built = layers_->build(bucket_policy{{2, 4, 8}});
  busy_thread allocating{"cudaMalloc, cudaFree", allocate};
  busy_thread own{"own stream", [&] { return launch_on(theirs_->get()); }};
  busy_thread legacy{"legacy stream", [&] { return launch_on(cudaStreamLegacy); }};
  busy_thread synchronising{"cudaDeviceSynchronize", [] { return cudaDeviceSynchronize(); }};
  make_lanes(built);
  for (busy_thread* thread : {&allocating, &own, &legacy, &synchronising})
    EXPECT_EQ(thread->finish(), 0);
}

/** All but cudaDeviceSynchronize, which may crash in driver 580 where a capture ends at the same
 *  time: graphs/README.md. What it does where it does not is in capture_errors. */
TEST_F(other_threads, may_allocate_and_launch_while_custom_steps_are_captured) {
  pipeline_builder builder = layers_->builder(bucket_policy{{2, 4, 8}});
  for (const char* name : {"first", "second"}) {
    builder.step(name, [this](const step_context&, stream_handle stream) {
      for (int i = 0; i < 4; ++i)
        enqueue_copy(place::device, memory_->data() + 2048, memory_->data() + 1024, 256, stream);
    });
  }
  const pipeline built = builder.build();
  busy_thread allocating{"cudaMalloc, cudaFree", allocate};
  busy_thread own{"own stream", [&] { return launch_on(theirs_->get()); }};
  busy_thread legacy{"legacy stream", [&] { return launch_on(cudaStreamLegacy); }};
  make_lanes(built);
  for (busy_thread* thread : {&allocating, &own, &legacy})
    EXPECT_EQ(thread->finish(), 0);
}

}  // namespace
}  // namespace ssugraph::test
