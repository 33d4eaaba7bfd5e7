#include "lib/core/reach.hpp"
#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

/** Steps in a caller's capture, on rows that are bound for that recording alone. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 8;
constexpr std::size_t layer_count = 3;

using graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, decltype(&cudaGraphDestroy)>;
using graph_exec =
    std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, decltype(&cudaGraphExecDestroy)>;

constexpr std::array<named_tensor, 6> row_tensors{{{"x", &ssu_args::x},
                                                   {"dt", &ssu_args::dt},
                                                   {"B", &ssu_args::B},
                                                   {"C", &ssu_args::C},
                                                   {"z", &ssu_args::z},
                                                   {"out", &ssu_args::out}}};

void check(cudaError_t error) {
  ASSERT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

class bound_rows : public testing::TestWithParam<ssu_mode> {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    stream_.emplace(place::device);
    live_.emplace(place::device, sizeof(std::int32_t));
  }

  static std::vector<ssu_case> cases() {
    case_spec spec;
    spec.mode = GetParam();
    spec.has_cu_seqlens = GetParam() != ssu_mode::plain;
    spec.max_seqlen = GetParam() == ssu_mode::plain ? 1 : 2;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    spec.nheads = 2;
    spec.dim = 64;
    spec.dstate = 128;
    spec.has_z = true;
    spec.state_dtype = dtype::bfloat16;
    spec.io_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    return make_layers(spec, layer_count);
  }

  static std::int64_t rows(std::int32_t bucket) {
    return bucket * (GetParam() == ssu_mode::plain ? 1 : 2);
  }

  [[nodiscard]] const std::int32_t* live() const {
    return reinterpret_cast<const std::int32_t*>(live_->data());
  }

  graph captured(const std::function<void()>& record) {
    check(cudaStreamBeginCapture(stream_->get(), cudaStreamCaptureModeGlobal));
    record();
    cudaGraph_t raw = nullptr;
    check(cudaStreamEndCapture(stream_->get(), &raw));
    return {raw, cudaGraphDestroy};
  }

  static graph_exec instantiated(const graph& from) {
    cudaGraphExec_t exec = nullptr;
    check(cudaGraphInstantiate(&exec, from.get(), 0));
    return {exec, cudaGraphExecDestroy};
  }

  void launch(const graph_exec& exec, std::int32_t batch) {
    live_->write(0, std::as_bytes(std::span{&batch, 1}));
    check(cudaGraphLaunch(exec.get(), stream_->get()));
    stream_->wait();
  }

  /** Rows that the capture allocates, with what the caller's hold: bindings for the layer. */
  std::vector<binding> allocate_rows(const ssu_args& args, std::size_t layer, std::int32_t bucket) {
    std::vector<binding> bindings;
    for (const named_tensor& each : row_tensors) {
      if (!(args.*each.member)) continue;
      const tensor_view own = (args.*each.member).with_extent(0, rows(bucket));
      const byte_range reach = detail::reach_of(own);
      void* memory = nullptr;
      check(cudaMallocAsync(&memory, reach.bytes, stream_->get()));
      check(cudaMemcpyAsync(memory, reach.data, reach.bytes, cudaMemcpyDeviceToDevice,
                            stream_->get()));
      allocated_.push_back(memory);
      const auto offset =
          static_cast<std::byte*>(own.data()) - static_cast<const std::byte*>(reach.data);
      bindings.push_back(
          {model::name_of(layer), each.name, static_cast<std::byte*>(memory) + offset});
    }
    return bindings;
  }

  /** What the step wrote goes where the lane's own `out` is. */
  void copy_back(const ssu_args& args, const std::vector<binding>& bindings, std::int32_t bucket) {
    const byte_range own = detail::reach_of(args.out.with_extent(0, rows(bucket)));
    const byte_range bound =
        detail::reach_of(args.out.with_extent(0, rows(bucket)).at(bindings.back().data));
    check(cudaMemcpyAsync(const_cast<void*>(own.data), bound.data, own.bytes,
                          cudaMemcpyDeviceToDevice, stream_->get()));
  }

  void free_rows() {
    for (void* const memory : std::exchange(allocated_, {}))
      check(cudaFreeAsync(memory, stream_->get()));
  }

  std::optional<placed_stream> stream_;
  std::optional<placed_memory> live_;
  std::vector<void*> allocated_;
};

TEST_P(bound_rows, may_be_allocated_within_the_capture) {
  for (const bool at_once : {false, true}) {
    model replayed{target::cuda, cases(), false};
    model recorded{target::cuda, cases(), false};
    lane replaying = replayed.build(bucket_policy{{3, 8}}).make_lane(stream_->get());
    lane recording = recorded.build(bucket_policy{{3, 8}}).make_lane(stream_->get());
    const auto step_by_step = [&](std::int32_t bucket) {
      recording.record_prologue(bucket, live(), stream_->get());
      for (std::size_t layer = 0; layer < layer_count; ++layer) {
        const ssu_args& args = recorded.args(layer);
        const std::vector<binding> bindings = allocate_rows(args, layer, bucket);
        recording.record_step(layer, stream_->get(), bindings);
        copy_back(args, bindings, bucket);
        free_rows();
      }
    };
    const auto all_at_once = [&](std::int32_t bucket) {
      std::vector<std::vector<binding>> of_layer;
      std::vector<binding> all;
      for (std::size_t layer = 0; layer < layer_count; ++layer) {
        of_layer.push_back(allocate_rows(recorded.args(layer), layer, bucket));
        all.insert(all.end(), of_layer.back().begin(), of_layer.back().end());
      }
      recording.record(bucket, live(), stream_->get(), all);
      for (std::size_t layer = 0; layer < layer_count; ++layer)
        copy_back(recorded.args(layer), of_layer[layer], bucket);
      free_rows();
    };
    std::vector<graph_exec> graphs;
    for (const std::int32_t bucket : {3, 8}) {
      graphs.push_back(
          instantiated(captured([&] { at_once ? all_at_once(bucket) : step_by_step(bucket); })));
    }
    for (const std::int32_t batch : {2, 8, 3, 1, 5, 4, 8, 2}) {
      replaying.replay(batch, stream_->get());
      stream_->wait();
      launch(graphs[batch <= 3 ? 0 : 1], batch);
      ASSERT_EQ(recorded.read(), replayed.read()) << "batch " << batch;
    }
    // The lane's own graphs go on with the lane's own rows.
    replaying.replay(7, stream_->get());
    recording.replay(7, stream_->get());
    stream_->wait();
    EXPECT_EQ(recorded.read(), replayed.read());
    EXPECT_EQ(recording.random_state(), replaying.random_state());
  }
}

/** What the lane's own rows would let start early must not, where rows are bound that the launch in
 *  front writes. */
TEST_P(bound_rows, are_what_early_launches_are_proved_against) {
  model chained{target::cuda, cases(), true};
  model recorded{target::cuda, cases(), true};
  const placed_memory elsewhere{place::device, 1 << 20};
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{8}}};
  for (std::size_t layer = 0; layer < layer_count; ++layer) {
    ssu_args args = recorded.args(layer);
    if (layer > 0) args.x = args.x.at(elsewhere.data() + (1 << 19));
    builder.ssu(model::name_of(layer), args);
  }
  lane replaying = chained.build(bucket_policy{{8}}).make_lane(stream_->get());
  lane recording = builder.build().make_lane(stream_->get());
  const graph_exec exec = instantiated(captured([&] {
    recording.record_prologue(8, live(), stream_->get());
    recording.record_step(0, stream_->get());
    for (std::size_t layer = 1; layer < layer_count; ++layer) {
      recording.record_step(
          layer, stream_->get(),
          std::vector<binding>{{model::name_of(layer), "x", recorded.args(layer - 1).out.data()}});
    }
  }));
  for (int round = 0; round < 50; ++round) {
    replaying.replay(8, stream_->get());
    stream_->wait();
    launch(exec, 8);
    ASSERT_EQ(recorded.read(), chained.read()) << "round " << round;
  }
}

TEST_P(bound_rows, are_of_one_recording_alone) {
  model replayed{target::cuda, cases(), false};
  model recorded{target::cuda, cases(), false};
  const model others{target::cuda, cases(), false};
  const auto before = others.read();
  lane replaying = replayed.build(bucket_policy{{8}}).make_lane(stream_->get());
  lane recording = recorded.build(bucket_policy{{8}}).make_lane(stream_->get());
  const graph dropped = captured([&] {
    recording.record(8, live(), stream_->get(),
                     std::vector<binding>{{"layer1", "out", others.args(1).out.data()}});
  });
  const graph_exec exec =
      instantiated(captured([&] { recording.record(8, live(), stream_->get()); }));
  replaying.replay(5, stream_->get());
  launch(exec, 5);
  (void)recording.rebind(std::vector<binding>{{"layer0", "x", recorded.args(0).x.data()}});
  replaying.replay(6, stream_->get());
  recording.replay(6, stream_->get());
  stream_->wait();
  EXPECT_EQ(recorded.read(), replayed.read());
  EXPECT_EQ(others.read(), before);
}

TEST_P(bound_rows, are_refused_before_anything_is_recorded) {
  const model layers{target::cuda, cases(), false};
  lane lane = layers.build(bucket_policy{{3, 8}}).make_lane(stream_->get());
  const placed_memory elsewhere{place::host, 1 << 16};
  const ssu_args& args = layers.args(0);
  const auto node_count = [&] {
    cudaStreamCaptureStatus status{};
    cudaGraph_t into = nullptr;
    std::size_t count = 0;
    check(cudaStreamGetCaptureInfo(stream_->get(), &status, nullptr, &into));
    check(cudaGraphGetNodes(into, nullptr, &count));
    return count;
  };
  const graph all = captured([&] {
    const auto refused = [&](bool whole, const binding& bound) {
      const std::size_t before = node_count();
      std::string argument = "no error";
      try {
        if (whole) {
          lane.record(3, live(), stream_->get(), std::vector{bound});
        } else {
          lane.record_step(0, stream_->get(), std::vector{bound});
        }
      } catch (const invalid_argument& error) {
        argument = error.argument();
      }
      EXPECT_EQ(node_count(), before) << argument;
      return argument;
    };
    lane.record_prologue(3, live(), stream_->get());
    for (const bool whole : {true, false}) {
      EXPECT_EQ(refused(whole, {"nobody", "x", args.x.data()}), "bindings");
      EXPECT_EQ(refused(whole, {"layer0", "state", args.state.data()}), "layer0.state");
      EXPECT_EQ(refused(whole, {"layer0", "x", elsewhere.data()}), "layer0.x") << "host memory";
      EXPECT_EQ(refused(whole, {"layer0", "x", args.out.data()}), "layer0.out");
      const auto* shifted = static_cast<const std::byte*>(args.B.data()) + 2;
      EXPECT_EQ(refused(whole, {"layer0", "B", shifted}), "layer0") << "no 16-byte accesses";
    }
    EXPECT_EQ(refused(false, {"layer1", "x", args.x.data()}), "bindings") << "of another step";
    for (std::size_t layer = 0; layer < layer_count; ++layer)
      lane.record_step(layer, stream_->get());
  });
  launch(instantiated(all), 2);
}

INSTANTIATE_TEST_SUITE_P(, bound_rows,
                         testing::Values(ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative),
                         [](const auto& mode) { return std::string{to_string(mode.param)}; });

}  // namespace
}  // namespace ssugraph::test
