#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>
#if SSUGRAPH_CUDA
#include <cuda_runtime_api.h>
#endif

/** Lanes that go over to other addresses. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 6;
constexpr std::size_t layer_count = 3;

binding bound(const model& to, std::size_t layer, std::size_t tensor) {
  return {model::name_of(layer), std::string{ssu_tensors[tensor].name},
          (to.args(layer).*ssu_tensors[tensor].member).data()};
}

/** Every tensor of some layers of `to`. */
std::vector<binding> all_of(const model& to, const std::vector<std::size_t>& which) {
  std::vector<binding> bindings;
  for (const std::size_t layer : which) {
    for (std::size_t i = 0; i < ssu_tensors.size(); ++i) {
      if (to.args(layer).*ssu_tensors[i].member) bindings.push_back(bound(to, layer, i));
    }
  }
  return bindings;
}

class rebinding : public target_suite {
 protected:
  static std::vector<ssu_case> cases() {
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    spec.nheads = 2;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    spec.has_dst = true;
    return make_layers(spec, layer_count);
  }

  static pipeline build(const model& layers, recording_options options = {}) {
    pipeline_builder builder = layers.builder(bucket_policy{{3, 6}});
    return builder.recording(options).build();
  }

  template <class Call>
  static std::string refused_argument(Call call) {
    try {
      call();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  }
};

TEST_P(rebinding, gives_what_a_lane_made_with_the_bindings_gives) {
  for (const std::vector<std::size_t>& which :
       {std::vector<std::size_t>{0, 1, 2}, {1}, {0, 2}, {2}}) {
    model first{GetParam(), cases(), false};
    model second{GetParam(), cases(), false};
    const placed_stream stream{where()};
    const auto before = std::pair{first.read(), second.read()};
    const pipeline built = build(first);
    const auto bindings = all_of(second, which);
    {
      lane made = built.make_lane(stream.get(), bindings);
      for (const std::int32_t batch : {2, 6})
        made.replay(batch, stream.get());
      stream.wait();
    }
    const auto expected = std::pair{first.read(), second.read()};
    first.write(before.first);
    second.write(before.second);

    lane lane = built.make_lane(stream.get());
    const auto outcomes = lane.rebind(bindings);
    EXPECT_EQ(outcomes, std::vector(2, rebind_outcome::updated));
    for (const std::int32_t batch : {2, 6})
      lane.replay(batch, stream.get());
    stream.wait();
    EXPECT_EQ(first.read(), expected.first);
    EXPECT_EQ(second.read(), expected.second);
    EXPECT_EQ(lane.random_state(), (random_state{0, 2 * layer_count}));

    // And back, by the oracle.
    first.write(before.first);
    second.write(before.second);
    (void)lane.rebind(all_of(first, which));
    lane.set_random_state({}, stream.get());
    lane.run_eager(2, stream.get());
    stream.wait();
    const auto by_rebound = first.read();
    EXPECT_EQ(second.read(), before.second);
    first.write(before.first);
    auto fresh = built.make_lane(stream.get());
    fresh.run_eager(2, stream.get());
    stream.wait();
    EXPECT_EQ(first.read(), by_rebound);
  }
}

TEST_P(rebinding, leaves_replays_in_flight_their_addresses) {
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const auto before = std::pair{first.read(), second.read()};
  const pipeline built = build(first);
  const auto run = [&](bool wait_between) {
    first.write(before.first);
    second.write(before.second);
    lane lane = built.make_lane(stream.get());
    for (int i = 0; i < 40; ++i) {
      lane.replay(1 + i % most_sequences, stream.get());
      if (wait_between) stream.wait();
      // Every other time one layer alone, so that index tensors come to be shared or not.
      (void)lane.rebind(
          all_of(i % 2 == 0 ? second : first,
                 i % 4 < 2 ? std::vector<std::size_t>{1} : std::vector<std::size_t>{0, 1, 2}));
      if (wait_between) stream.wait();
    }
    lane.replay(5, stream.get());
    stream.wait();
    return std::pair{first.read(), second.read()};
  };
  EXPECT_EQ(run(false), run(true));
}

TEST_P(rebinding, of_a_bucket_not_recorded_yet_serves_its_first_use) {
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const auto before = first.read();
  lane lane = build(first, {.lazy = true}).make_lane(stream.get());
  if (on_gpu()) {
    EXPECT_EQ(lane.rebind(all_of(second, {0, 1, 2})), std::vector(2, rebind_outcome::unrecorded));
  } else {
    (void)lane.rebind(all_of(second, {0, 1, 2}));
  }
  lane.replay(5, stream.get());
  stream.wait();
  EXPECT_EQ(first.read(), before);
  EXPECT_NE(second.read(), before);
}

TEST_P(rebinding, refuses_what_does_not_fit_and_changes_nothing) {
  model layers{GetParam(), cases(), false};
  model other{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const second_stream another{GetParam()};
  const pipeline built = build(layers);
  lane lane = built.make_lane(stream.get());
  const auto refused = [&](const std::vector<binding>& bindings) {
    return refused_argument([&] { (void)lane.rebind(bindings); });
  };
  const binding good = bound(other, 0, 0);
  EXPECT_EQ(refused({good, {"nobody", "x", layers.args(0).x.data()}}), "bindings");
  EXPECT_EQ(refused({good, {"layer0", "z", layers.args(0).x.data()}}), "layer0.z");
  EXPECT_EQ(refused({good, good}), "layer0.state") << "bound twice";
  EXPECT_EQ(refused({good, {"layer1", "state", layers.args(2).state.data()}}), "layer2.state")
      << "two layers on one state";
  EXPECT_NE(refused({good, {"layer1", "x", nullptr}}), "no error");
  {
    const auto theirs = built.make_lane(another.get(), all_of(other, {0, 1, 2}));
    EXPECT_EQ(refused({bound(other, 1, 9)}), "layer1.out") << "out of a lane on another stream";
  }
  EXPECT_EQ(refused({bound(other, 1, 9)}), "no error");
  (void)lane.rebind(std::vector{bound(layers, 1, 9)});

  const auto before = std::pair{layers.read(), other.read()};
  lane.replay(4, stream.get());
  stream.wait();
  EXPECT_NE(layers.read(), before.first);
  EXPECT_EQ(other.read(), before.second) << "a refused binding took effect";
}

SSUGRAPH_ON_BOTH_TARGETS(rebinding);

#if SSUGRAPH_CUDA

/** Pipelines with custom steps: recorded again. */
class rebinding_custom_steps : public rebinding {
 protected:
  void SetUp() override {
    rebinding::SetUp();
    if (IsSkipped()) return;
    scrap_.emplace(place::device, 4096);
  }

  pipeline build_with(const model& layers, step_function step) const {
    pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{3, 6}}};
    builder.ssu("layer0", layers.args(0)).step("mine", std::move(step));
    builder.ssu("layer1", layers.args(1)).ssu("layer2", layers.args(2));
    return builder.build();
  }

  void enqueue_copies(int count, stream_handle stream) {
    for (int i = 0; i < count; ++i)
      enqueue_copy(place::device, scrap_->data(), scrap_->data() + 1024, 64, stream);
  }

  void expect_like_made(lane& lane, const pipeline& built, model& second) {
    const auto before = second.read();
    lane.set_random_state({}, lane.stream());
    lane.replay(5, lane.stream());
    ASSERT_EQ(cudaStreamSynchronize(lane.stream()), cudaSuccess);
    const auto rebound = second.read();
    second.write(before);
    auto made = built.make_lane(lane.stream(), all_of(second, {0, 1, 2}));
    made.replay(5, lane.stream());
    ASSERT_EQ(cudaStreamSynchronize(lane.stream()), cudaSuccess);
    EXPECT_EQ(rebound, second.read());
    EXPECT_NE(rebound, before);
    second.write(before);
  }

  std::optional<placed_memory> scrap_;
};

TEST_P(rebinding_custom_steps, updates_the_executable_where_the_steps_repeat_themselves) {
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const pipeline built =
      build_with(first, [this](const step_context&, stream_handle on) { enqueue_copies(2, on); });
  lane lane = built.make_lane(stream.get());
  EXPECT_EQ(lane.rebind(all_of(second, {0, 1, 2})), std::vector(2, rebind_outcome::updated));
  expect_like_made(lane, built, second);
}

TEST_P(rebinding_custom_steps, instantiates_anew_where_they_do_not) {
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  const placed_stream stream{where()};
  int copies = 1;
  const pipeline built =
      build_with(first, [&](const step_context&, stream_handle on) { enqueue_copies(copies, on); });
  lane lane = built.make_lane(stream.get());
  copies = 3;
  const std::vector<bucket_stats> before = lane.stats().buckets;
  EXPECT_EQ(lane.rebind(all_of(second, {0, 1, 2})), std::vector(2, rebind_outcome::instantiated));
  const std::vector<bucket_stats> after = lane.stats().buckets;
  for (const std::size_t bucket : {0U, 1U}) {
    EXPECT_EQ(after[bucket].nodes, before[bucket].nodes + 2);
    EXPECT_NE(after[bucket].build_ms, before[bucket].build_ms) << "the cost of an earlier graph";
  }
  expect_like_made(lane, built, second);
}

TEST_P(rebinding_custom_steps, changes_nothing_where_a_step_throws) {
  struct users_error {};
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  const placed_stream stream{where()};
  int calls = 0;
  const pipeline built = build_with(first, [&](const step_context& context, stream_handle on) {
    enqueue_copies(1, on);
    if (++calls > 2 && context.bucket == 6) throw users_error{};
  });
  lane lane = built.make_lane(stream.get());
  const auto before = std::pair{first.read(), second.read()};
  EXPECT_THROW((void)lane.rebind(all_of(second, {0, 1, 2})), users_error);
  lane.replay(2, stream.get());
  lane.replay(5, stream.get());
  stream.wait();
  EXPECT_NE(first.read(), before.first);
  EXPECT_EQ(second.read(), before.second);
}

TEST_P(rebinding_custom_steps, may_destroy_another_lane_of_the_pipeline) {
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  model third{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const placed_stream another{where()};
  std::optional<lane> other;
  const pipeline built = build_with(first, [&](const step_context&, stream_handle on) {
    enqueue_copies(1, on);
    other.reset();
  });
  lane lane = built.make_lane(stream.get());
  other.emplace(built.make_lane(another.get(), all_of(third, {0, 1, 2})));
  other->replay(5, another.get());
  EXPECT_EQ(lane.rebind(all_of(second, {0, 1, 2})), std::vector(2, rebind_outcome::updated));
  EXPECT_FALSE(other);
  another.wait();
  expect_like_made(lane, built, second);
}

TEST_P(rebinding_custom_steps, a_bucket_that_was_lost_says_so_until_it_is_rebuilt) {
  model first{GetParam(), cases(), false};
  model second{GetParam(), cases(), false};
  const placed_stream stream{where()};
  bool spoil = false;
  pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{3, 6}}};
  builder.ssu("layer0", first.args(0));
  // In bucket 6, two nodes that wait for each other: no executable can be made of that graph.
  builder.step("mine", [&](const step_context& context, stream_handle on) {
    enqueue_copies(1, on);
    if (context.bucket != 6 || !spoil) return;
    cudaStreamCaptureStatus status{};
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamGetCaptureInfo(on, &status, nullptr, &graph), cudaSuccess);
    cudaGraphNode_t one = nullptr;
    cudaGraphNode_t two = nullptr;
    ASSERT_EQ(cudaGraphAddEmptyNode(&one, graph, nullptr, 0), cudaSuccess);
    ASSERT_EQ(cudaGraphAddEmptyNode(&two, graph, &one, 1), cudaSuccess);
    ASSERT_EQ(cudaGraphAddDependencies(graph, &two, &one, nullptr, 1), cudaSuccess);
  });
  builder.ssu("layer1", first.args(1)).ssu("layer2", first.args(2));
  lane lane = builder.build().make_lane(stream.get());
  spoil = true;
  EXPECT_THROW((void)lane.rebind(all_of(second, {0, 1, 2})), cuda_error);
  spoil = false;
  EXPECT_THROW(lane.replay(5, stream.get()), invalid_state);
  EXPECT_THROW(lane.run_eager(5, stream.get()), invalid_state);
  const auto before = std::pair{first.read(), second.read()};
  lane.replay(2, stream.get());
  lane.rebuild(5);
  lane.replay(5, stream.get());
  stream.wait();
  EXPECT_EQ(first.read(), before.first);
  EXPECT_NE(second.read(), before.second);
}

INSTANTIATE_TEST_SUITE_P(, rebinding_custom_steps, testing::Values(target::cuda), target_name);

class rebinding_backends : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  /** Layers that every backend serves. */
  static model layers_on(const std::string& backend) {
    case_spec spec;
    spec.batch = most_sequences;
    spec.capacity = most_sequences;
    spec.nheads = 2;
    spec.dim = 64;
    spec.dstate = 128;
    spec.state_dtype = dtype::float16;
    spec.io_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    auto layers = make_layers(spec, layer_count);
    for (ssu_case& layer : layers)
      layer.config.backend = backend;
    return {target::cuda, layers, false};
  }
};

TEST_P(rebinding_backends, give_what_a_lane_made_with_the_bindings_gives) {
  model first = layers_on(GetParam());
  model second = layers_on(GetParam());
  const placed_stream stream{place::device};
  std::optional<pipeline> built;
  try {
    built = first.build(bucket_policy{{3, 6}});
  } catch (const unsupported& missing) {
    GTEST_SKIP() << missing.what();
  }
  const auto before = std::pair{first.read(), second.read()};
  const auto replayed = [&](lane lane) {
    for (const std::int32_t batch : {2, 6})
      lane.replay(batch, stream.get());
    stream.wait();
    return second.read();
  };
  const auto bindings = all_of(second, {0, 1, 2});
  const auto expected = replayed(built->make_lane(stream.get(), bindings));
  second.write(before.second);

  lane rebound = built->make_lane(stream.get());
  EXPECT_EQ(rebound.rebind(bindings), std::vector(2, rebind_outcome::updated));
  EXPECT_EQ(replayed(std::move(rebound)), expected);
  EXPECT_NE(expected, before.second);
  EXPECT_EQ(first.read(), before.first);
}

INSTANTIATE_TEST_SUITE_P(, rebinding_backends,
                         testing::Values(std::string{"native"}, "triton", "flashinfer",
                                         "automatic"),
                         [](const auto& backend) { return backend.param; });

#endif

}  // namespace
}  // namespace ssugraph::test
