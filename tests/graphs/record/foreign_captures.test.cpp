#include "tests/graphs/replay.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/** Captures of others in the strictest mode, in this thread or another: nothing that the library
 *  does spoils them, and nothing of theirs keeps it from working. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 4;

/** A capture in global mode, that has to end well. */
class open_capture {
 public:
  explicit open_capture(stream_handle stream) : stream_{stream} {
    EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  }
  open_capture(const open_capture&) = delete;
  open_capture& operator=(const open_capture&) = delete;
  ~open_capture() { EXPECT_FALSE(stream_ != nullptr) << "was not ended"; }

  [[nodiscard]] cudaStreamCaptureStatus status() const {
    cudaStreamCaptureStatus now{};
    EXPECT_EQ(cudaStreamIsCapturing(stream_, &now), cudaSuccess);
    return now;
  }

  /** Ends it. The number of nodes that it had. */
  std::size_t end() {
    cudaGraph_t graph = nullptr;
    std::size_t nodes = 0;
    EXPECT_EQ(cudaStreamEndCapture(std::exchange(stream_, nullptr), &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    return nodes;
  }

 private:
  stream_handle stream_;
};

class foreign_captures : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    layers_.emplace(target::cuda, make_layers(spec, 2), false);
    spec.stochastic_rounding = false;
    spec.state_dtype = dtype::float16;
    eager_.emplace(target::cuda, make_layers(spec, 1), false);
    stream_.emplace(place::device);
    second_.emplace(place::device);
    theirs_.emplace(place::device);
    memory_.emplace(place::device, 256);
  }

  [[nodiscard]] pipeline build(const recording_options& options = {}) const {
    pipeline_builder builder = layers_->builder(bucket_policy{{2, most_sequences}});
    builder.recording(options).step("copy",
                                    [this](const step_context&, stream_handle on) {
                                      enqueue_copy(place::device, memory_->data(),
                                                   memory_->data() + 128, 64, on);
                                    },
                                    {.warm_up = true});
    return builder.build();
  }

  /** All that the library does outside of a caller's capture, which goes on behind each of it. */
  void use_everything(const open_capture& beside) {
    const auto after = [&](const char* what) {
      EXPECT_EQ(beside.status(), cudaStreamCaptureStatusActive) << "behind " << what;
    };
    pipeline_builder measuring{{.backend = "automatic"}, bucket_policy{{most_sequences}}};
    (void)measuring.ssu("layer", layers_->args(0)).build();
    after("automatic");
    for (const recording_options& options : {recording_options{}, recording_options{.lazy = true},
                                             recording_options{.checked = true}}) {
      lane own = build(options).make_lane(stream_->get());
      after("make_lane");
      own.set_random_state({7, 0}, stream_->get());
      own.replay(2, stream_->get());
      after("replay");
      own.run_eager(most_sequences, stream_->get());
      after("run_eager");
      EXPECT_EQ(own.random_state(), (random_state{7, 4}));
      after("random_state");
      EXPECT_EQ(own.rebind({}).size(), 2u);
      after("rebind");
      own.rebuild(2);
      own.replay(most_sequences, stream_->get());
      after("rebuild");
      (void)own.describe_json();
      (void)own.stats();
      (void)own.time_buckets(1, stream_->get());
      after("time_buckets");
      own.move_to(second_->get());
      own.replay(1, second_->get());
      own.move_to(stream_->get());
      after("move_to");
    }
    after("the end of a lane");
    staging_ring ring{64, 2, device{0}};
    for (int i = 0; i < 4; ++i) {
      ring.begin();
      ring.take<std::int32_t>(layers_->args(0).state_batch_indices, 1)[0] = 1;
      ring.submit(stream_->get());
    }
    after("a staging ring");
    reset_slots(std::vector{layers_->args(0).state}, layers_->args(0).state_batch_indices,
                stream_->get());
    after("reset_slots");
    // Kernels that nothing has loaded yet.
    for (const char* backend : {"native", "triton", "flashinfer"}) {
      try {
        ssu_dispatch{{.backend = backend}, 0}.selective_state_update(eager_->args(0),
                                                                     stream_->get());
      } catch (const unsupported&) {  // not compiled for that
      }
      after(backend);
    }
  }

  std::optional<model> layers_;
  std::optional<model> eager_;
  std::optional<placed_stream> stream_;
  std::optional<placed_stream> second_;
  std::optional<placed_stream> theirs_;
  std::optional<placed_memory> memory_;
};

TEST_F(foreign_captures, of_this_thread_stand_beside_everything) {
  open_capture capture{theirs_->get()};
  enqueue_slow_copy(memory_->data(), memory_->data() + 128, 64, 0, {}, theirs_->get());
  EXPECT_NO_THROW(use_everything(capture));
  EXPECT_EQ(capture.status(), cudaStreamCaptureStatusActive);
  EXPECT_EQ(capture.end(), 1u);
  stream_->wait();
}

TEST_F(foreign_captures, of_another_thread_stand_beside_everything) {
  open_capture capture{theirs_->get()};
  enqueue_slow_copy(memory_->data(), memory_->data() + 128, 64, 0, {}, theirs_->get());
  std::thread{[&] { EXPECT_NO_THROW(use_everything(capture)); }}.join();
  EXPECT_EQ(capture.status(), cudaStreamCaptureStatusActive);
  EXPECT_EQ(capture.end(), 1u);
  stream_->wait();
}

/** A step that allocates is refused as ever, and that is nobody else's loss. */
TEST_F(foreign_captures, of_another_thread_survive_a_step_that_spoils_its_own) {
  pipeline_builder builder = layers_->builder(bucket_policy{{2}});
  builder.step("bad", [this](const step_context&, stream_handle on) {
    enqueue_copy(place::device, memory_->data(), memory_->data() + 128, 64, on);
    void* memory = nullptr;
    if (cudaMalloc(&memory, 256) == cudaSuccess) cudaFree(memory);
    cudaGetLastError();
  });
  const pipeline built = builder.build();
  open_capture capture{theirs_->get()};
  std::thread{[&] { EXPECT_THROW((void)built.make_lane(stream_->get()), cuda_error); }}.join();
  EXPECT_EQ(capture.status(), cudaStreamCaptureStatusActive);
  capture.end();
}

/** Every function that takes a stream, or uses the lane's. */
TEST_F(foreign_captures, of_a_stream_that_is_passed_are_a_typed_error_and_go_on) {
  lane own = build().make_lane(stream_->get());
  lane elsewhere = build().make_lane(second_->get(), std::vector<binding>{});
  staging_ring ring{64, 2, device{0}};
  const auto refused = [](const std::string& what, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << what << ": no error";
    } catch (const invalid_state& error) {
      EXPECT_NE(error.state().find("captured"), std::string::npos) << what << error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": " << error.what();
    }
  };
  ring.begin();
  ring.take<std::int32_t>(layers_->args(0).state_batch_indices, 1)[0] = 1;
  open_capture capture{stream_->get()};
  refused("move_to", [&] { elsewhere.move_to(stream_->get()); });
  refused("move_to from there", [&] { own.move_to(second_->get()); });
  refused("replay", [&] { own.replay(2, stream_->get()); });
  refused("run_eager", [&] { own.run_eager(2, stream_->get()); });
  refused("rebind", [&] { (void)own.rebind({}); });
  refused("rebuild", [&] { own.rebuild(2); });
  refused("random_state", [&] { (void)own.random_state(); });
  refused("set_random_state", [&] { own.set_random_state({}, stream_->get()); });
  refused("time_buckets", [&] { (void)own.time_buckets(1, stream_->get()); });
  refused("submit", [&] { ring.submit(stream_->get()); });
  EXPECT_NO_THROW((void)layers_->build(bucket_policy{{2}}).make_lane(stream_->get()))
      << "which enqueues nothing there";
  EXPECT_EQ(capture.status(), cudaStreamCaptureStatusActive);
  EXPECT_EQ(capture.end(), 0u);
  EXPECT_EQ(elsewhere.stream(), second_->get());
  elsewhere.replay(2, second_->get());
  own.replay(2, stream_->get());
  own.move_to(second_->get());
  own.replay(2, second_->get());
  second_->wait();
}

/** A blocking stream's capture forbids the legacy stream. */
TEST_F(foreign_captures, that_forbid_the_legacy_stream_are_a_typed_error_and_go_on) {
  lane own = build().make_lane(nullptr);
  lane elsewhere = build().make_lane(second_->get());
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  {
    open_capture capture{blocking};
    EXPECT_THROW(own.replay(2, nullptr), invalid_state);
    EXPECT_THROW(elsewhere.move_to(nullptr), invalid_state);
    EXPECT_THROW((void)own.random_state(), invalid_state);
    EXPECT_EQ(capture.status(), cudaStreamCaptureStatusActive);
    capture.end();
  }
  own.replay(2, nullptr);
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
}

/** A capture of another device's stream. */
TEST_F(foreign_captures, of_another_device_are_refused_and_go_on) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices < 2)
    GTEST_SKIP() << "fewer than two CUDA devices";
  lane own = build().make_lane(stream_->get());
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const placed_stream there{place::device};
  {
    open_capture capture{there.get()};
    const auto* const live = reinterpret_cast<const std::int32_t*>(memory_->data());
    EXPECT_THROW(own.record(2, live, there.get()), invalid_argument);
    EXPECT_THROW(own.move_to(there.get()), invalid_argument);
    EXPECT_EQ(capture.status(), cudaStreamCaptureStatusActive);
    EXPECT_EQ(capture.end(), 0u);
  }
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
}

}  // namespace
}  // namespace ssugraph::test
