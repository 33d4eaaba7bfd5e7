#include "tests/support/device.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/staging.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <semaphore>
#include <vector>

/** What a staging ring does while its copies have yet to run, and while somebody captures. */
namespace ssugraph::test {
namespace {

using namespace std::chrono_literals;

/** A stream whose work waits until `release`, or the end of this object. */
class held_stream {
 public:
  held_stream() {
    const auto wait = [](void* gate) { static_cast<std::binary_semaphore*>(gate)->acquire(); };
    EXPECT_EQ(cudaLaunchHostFunc(stream_.get(), wait, &gate_), cudaSuccess);
  }
  held_stream(const held_stream&) = delete;
  held_stream& operator=(const held_stream&) = delete;
  ~held_stream() {
    release();
    stream_.wait();
  }

  [[nodiscard]] stream_handle get() const { return stream_.get(); }
  void wait() const { stream_.wait(); }
  void release() {
    if (!released_) gate_.release();
    released_ = true;
  }

 private:
  std::binary_semaphore gate_{0};
  bool released_ = false;
  placed_stream stream_{place::device};
};

class staging_in_flight : public testing::Test {
 protected:
  static constexpr std::int64_t count = 4096;

  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    for (int i = 0; i < 3; ++i)
      memories_.emplace_back(place::device, 4 * count);
    ring_.emplace(4 * count, 2, device{0});
  }

  /** A batch that fills the i-th memory with i + 1. */
  void submit(std::size_t i, stream_handle stream) {
    const tensor_view destination{memories_[i].data(), dtype::int32, {count}};
    std::ranges::fill(ring_->take<std::int32_t>(destination, count),
                      static_cast<std::int32_t>(i) + 1);
    ring_->submit(stream);
  }

  [[nodiscard]] bool is_filled(std::size_t i, std::int64_t value) const {
    const arena content = memories_[i].read_all();
    for (std::int64_t element = 0; element < count; ++element) {
      if (load_index(content.data() + 4 * element, dtype::int32) != value) return false;
    }
    return true;
  }

  std::vector<placed_memory> memories_;
  std::optional<staging_ring> ring_;
};

TEST_F(staging_in_flight, waits_for_the_copies_of_depth_batches_ago) {
  held_stream stream;
  for (const std::size_t i : {0U, 1U}) {
    ring_->begin();  // neither waits
    submit(i, stream.get());
  }
  auto third = std::async(std::launch::async, [&] {
    ring_->begin();
    submit(2, stream.get());
  });
  EXPECT_EQ(third.wait_for(200ms), std::future_status::timeout)
      << "memory that a copy has yet to read was handed out";
  stream.release();
  third.get();
  stream.wait();
  for (const std::size_t i : {0U, 1U, 2U})
    EXPECT_TRUE(is_filled(i, static_cast<std::int64_t>(i) + 1)) << i;
}

TEST_F(staging_in_flight, waits_for_no_later_batch) {
  const placed_stream first{place::device};
  held_stream second;
  ring_->begin();
  submit(0, first.get());
  ring_->begin();
  submit(1, second.get());
  first.wait();
  auto third = std::async(std::launch::async, [&] { ring_->begin(); });
  EXPECT_EQ(third.wait_for(20s), std::future_status::ready);
  second.release();
  third.get();
}

TEST_F(staging_in_flight, keeps_its_memory_until_its_copies_have_run) {
  held_stream stream;
  ring_->begin();
  submit(0, stream.get());
  auto death = std::async(std::launch::async, [&] { ring_.reset(); });
  EXPECT_EQ(death.wait_for(200ms), std::future_status::timeout);
  stream.release();
  death.get();
  stream.wait();
  EXPECT_TRUE(is_filled(0, 1));
}

TEST_F(staging_in_flight, refuses_a_stream_that_is_captured) {
  const placed_stream stream{place::device};
  ring_->begin();
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_THROW(submit(0, stream.get()), invalid_state);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaSuccess);
  std::size_t nodes = 1;
  EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 0u);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  ring_->submit(stream.get());  // the batch is still there
  stream.wait();
  EXPECT_TRUE(is_filled(0, 1));
}

TEST_F(staging_in_flight, serves_while_another_stream_is_captured) {
  const placed_stream stream{place::device};
  const placed_stream captured{place::device};
  ASSERT_EQ(cudaStreamBeginCapture(captured.get(), cudaStreamCaptureModeGlobal), cudaSuccess);
  for (const std::size_t i : {0U, 1U, 2U}) {
    ring_->begin();
    submit(i, stream.get());
  }
  ring_.reset();
  ring_.emplace(16, 1, device{0});
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(captured.get(), &graph), cudaSuccess) << "the capture was spoiled";
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_TRUE(is_filled(2, 3));
}

TEST_F(staging_in_flight, survives_a_stream_of_another_device) {
  int devices = 0;
  ASSERT_EQ(cudaGetDeviceCount(&devices), cudaSuccess);
  if (devices < 2) GTEST_SKIP() << "one device: no stream of another";
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  {
    const placed_stream foreign{place::device};
    ring_->begin();
    EXPECT_THROW(submit(0, foreign.get()), cuda_error);
  }
  int current = -1;
  EXPECT_EQ(cudaGetDevice(&current), cudaSuccess);
  EXPECT_EQ(current, 1) << "the caller's device was not restored";
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  const placed_stream stream{place::device};
  ring_->begin();
  submit(1, stream.get());
  stream.wait();
  EXPECT_TRUE(is_filled(1, 2));
}

}  // namespace
}  // namespace ssugraph::test
