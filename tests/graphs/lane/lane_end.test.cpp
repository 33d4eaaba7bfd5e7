#include "tests/graphs/replay.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

/** What the callable of a step owns lives until the last replay that uses it is over. Not to be run
 *  under compute-sanitizer, where nothing is in flight. */
namespace ssugraph::test {
namespace {

/** Device memory that a step writes and its callable owns. */
struct owned_memory {
  explicit owned_memory(int* ends) : memory{place::device, 256}, ends_{ends} {}
  owned_memory(const owned_memory&) = delete;
  owned_memory& operator=(const owned_memory&) = delete;
  ~owned_memory() { ++*ends_; }

  placed_memory memory;

 private:
  int* ends_;
};

class lane_end : public testing::Test {
 protected:
  static constexpr int slow_us = 200'000;

  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    ends_ = 0;
    case_spec spec;
    spec.batch = 2;
    spec.capacity = 2;
    layers_.emplace(target::cuda, make_layers(spec, 1), false);
    stream_.emplace(place::device);
  }

  /** A pipeline with a step that takes long and writes what its callable owns. */
  [[nodiscard]] pipeline build() {
    pipeline_builder builder{{}, bucket_policy{{2}}};
    builder.ssu("layer", layers_->args(0));
    builder.step("slow", [own = std::make_shared<owned_memory>(&ends_)](const step_context&,
                                                                        stream_handle on) {
      std::byte* const data = own->memory.data();
      enqueue_slow_copy(data, data + 128, 64, slow_us, {}, on);
    });
    return builder.build();
  }

  [[nodiscard]] bool busy() const { return cudaStreamQuery(stream_->get()) == cudaErrorNotReady; }

  static inline int ends_ = 0;  // may be counted behind a test
  std::optional<model> layers_;
  std::optional<placed_stream> stream_;
};

TEST_F(lane_end, keeps_what_a_replay_in_flight_writes) {
  {
    lane own = build().make_lane(stream_->get());
    own.replay(2, stream_->get());
  }
  ASSERT_TRUE(busy());
  EXPECT_EQ(ends_, 0) << "its memory is still to be written";
  { lane other = layers_->build(bucket_policy{{2}}).make_lane(stream_->get()); }
  ASSERT_TRUE(busy());
  EXPECT_EQ(ends_, 0);
  stream_->wait();
  EXPECT_EQ(ends_, 0) << "nobody called the library";
  (void)layers_->build(bucket_policy{{2}});
  EXPECT_EQ(ends_, 1);
}

TEST_F(lane_end, is_that_of_the_callable_where_nothing_is_in_flight) {
  {
    lane own = build().make_lane(stream_->get());
    own.replay(2, stream_->get());
    stream_->wait();
    EXPECT_EQ(ends_, 0);
  }
  EXPECT_EQ(ends_, 1);
}

TEST_F(lane_end, waits_for_the_last_of_several_lanes) {
  std::optional<lane> first;
  {
    const pipeline built = build();
    first.emplace(built.make_lane(stream_->get()));
    lane second = built.make_lane(stream_->get());
    second.replay(2, stream_->get());
  }
  ASSERT_TRUE(busy());
  stream_->wait();
  (void)first->random_state();
  EXPECT_EQ(ends_, 0) << "the first lane may replay it again";
  first->replay(2, stream_->get());
  first.reset();
  ASSERT_TRUE(busy());
  EXPECT_EQ(ends_, 0);
  stream_->wait();
  { lane other = layers_->build(bucket_policy{{2}}).make_lane(stream_->get()); }
  EXPECT_EQ(ends_, 1);
}

/** Nobody can tell when what was replayed before the capture is over. */
TEST_F(lane_end, in_a_capture_leaves_what_a_callable_owns) {
  cudaGraph_t graph = nullptr;
  {
    lane own = build().make_lane(stream_->get());
    own.replay(2, stream_->get());
    ASSERT_EQ(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeGlobal), cudaSuccess);
  }
  ASSERT_EQ(cudaStreamEndCapture(stream_->get(), &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  stream_->wait();
  (void)layers_->build(bucket_policy{{2}});
  EXPECT_EQ(ends_, 0);
}

TEST_F(lane_end, may_call_the_library) {
  std::vector<std::int64_t> counts;
  struct calls_back {
    model* layers;
    std::vector<std::int64_t>* counts;
    ~calls_back() { counts->push_back(layers->build(bucket_policy{{2}}).seeds_per_replay()); }
  };
  {
    pipeline_builder builder{{}, bucket_policy{{2}}};
    builder.ssu("layer", layers_->args(0));
    builder.step("slow", [own = std::make_shared<calls_back>(&*layers_, &counts),
                          scrap = std::make_shared<placed_memory>(place::device, 256)](
                             const step_context&, stream_handle on) {
      enqueue_slow_copy(scrap->data(), scrap->data() + 128, 64, slow_us, {}, on);
    });
    lane own = builder.build().make_lane(stream_->get());
    own.replay(2, stream_->get());
  }
  EXPECT_TRUE(counts.empty());
  stream_->wait();
  (void)layers_->build(bucket_policy{{2}});
  EXPECT_EQ(counts, std::vector<std::int64_t>{0});
}

}  // namespace
}  // namespace ssugraph::test
