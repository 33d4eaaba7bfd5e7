#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#if SSUGRAPH_CUDA
#include "lib/core/driver.hpp"

#include <cuda_runtime_api.h>
#endif

/** Pipelines side by side: on ranks that share the heads, and on several devices. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 6;
constexpr std::size_t layer_count = 2;

std::vector<ssu_case> cases() {
  case_spec spec;
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.nheads = 4;
  spec.ngroups = 2;
  spec.state_dtype = dtype::bfloat16;
  return make_layers(spec, layer_count);
}

/** Half number `rank` of an axis. */
tensor_view half(const tensor_view& tensor, int axis, std::int64_t rank) {
  if (!tensor) return tensor;
  const std::int64_t extent = tensor.extent(axis) / 2;
  const std::int64_t offset = rank * extent * tensor.stride(axis) * size_of(tensor.dtype());
  return tensor.at(static_cast<std::byte*>(tensor.data()) + offset).with_extent(axis, extent);
}

/** The heads and groups of one of two ranks. */
ssu_args of_rank(ssu_args args, std::int64_t rank) {
  for (auto member : {&ssu_args::state, &ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C,
                      &ssu_args::z, &ssu_args::out}) {
    args.*member = half(args.*member, 1, rank);
  }
  for (auto member : {&ssu_args::A, &ssu_args::D, &ssu_args::dt_bias})
    args.*member = half(args.*member, 0, rank);
  return args;
}

class tensor_parallel : public target_suite {};

TEST_P(tensor_parallel, ranks_of_half_the_heads_give_what_one_pipeline_gives) {
  model whole{GetParam(), cases(), false};
  model shared{GetParam(), cases(), false};
  const placed_stream stream{where()};
  const bucket_policy buckets{{2, 6}};
  lane expected = whole.build(buckets).make_lane(stream.get());
  std::vector<lane> ranks;
  for (const std::int64_t rank : {0, 1}) {
    pipeline_builder builder{{}, buckets, GetParam()};
    for (std::size_t layer = 0; layer < layer_count; ++layer)
      builder.ssu(model::name_of(layer), of_rank(shared.args(layer), rank));
    ranks.push_back(builder.build().make_lane(stream.get()));
  }
  for (const std::int32_t batch : {1, 6, 3, 2}) {
    expected.replay(batch, stream.get());
    for (lane& rank : ranks)
      rank.replay(batch, stream.get());
  }
  stream.wait();
  EXPECT_EQ(shared.read(), whole.read());
}

SSUGRAPH_ON_BOTH_TARGETS(tensor_parallel);

#if SSUGRAPH_CUDA

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

int current_device() {
  int current = -1;
  EXPECT_EQ(cudaGetDevice(&current), cudaSuccess);
  return current;
}

/** A model with its pipeline and lane on one device. */
struct on_device {
  explicit on_device(int ordinal) {
    EXPECT_EQ(cudaSetDevice(ordinal), cudaSuccess);
    layers.emplace(target::cuda, cases(), true);
    stream.emplace(place::device);
  }
  void make_lane() { own.emplace(layers->build(bucket_policy{{2, 6}}).make_lane(stream->get())); }

  std::optional<model> layers;
  std::optional<placed_stream> stream;
  std::optional<lane> own;
};

/** Everything takes its device from its tensors and leaves the caller's current one alone. */
void expect_side_by_side(const std::vector<int>& ordinals, int current) {
  std::vector<std::unique_ptr<on_device>> all;
  for (const int ordinal : ordinals)
    all.push_back(std::make_unique<on_device>(ordinal));
  ASSERT_EQ(cudaSetDevice(current), cudaSuccess);
  for (auto& one : all) {
    one->make_lane();
    ASSERT_EQ(current_device(), current);
  }
  for (const std::int32_t batch : {1, 6, 4, 2}) {
    for (auto& one : all) {
      one->own->replay(batch, one->stream->get());
      one->own->run_eager(batch, one->stream->get());
      ASSERT_EQ(current_device(), current);
    }
  }
  std::vector<std::vector<arena>> results;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]->own->random_state(), random_state{});
    ASSERT_EQ(current_device(), current);
    ASSERT_EQ(cudaSetDevice(ordinals[i]), cudaSuccess);
    results.push_back(all[i]->layers->read());
    EXPECT_EQ(results.back(), results.front());
    all[i]->own.reset();
    ASSERT_EQ(cudaSetDevice(current), cudaSuccess);
  }
}

TEST(devices, one_may_have_several_pipelines) {
  if (device_count() < 1) GTEST_SKIP() << "no CUDA device";
  expect_side_by_side({0, 0, 0}, 0);
}

TEST(devices, several_may_have_one_each) {
  if (device_count() < 2) GTEST_SKIP() << "fewer than two CUDA devices";
  expect_side_by_side({0, 1, 1, 0}, 0);
  expect_side_by_side({1, 0}, 1);
  expect_side_by_side({1}, 0);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
}

/** Everything that a lane on device 1 is used with. Made with that device current. */
struct on_second_device {
  on_second_device() {
    const std::int32_t batch = 5;
    count.write(0, std::as_bytes(std::span{&batch, 1}));
  }
  [[nodiscard]] const std::int32_t* live() const {
    return reinterpret_cast<const std::int32_t*>(count.data());
  }
  void make_lane(const recording_options& options) {
    pipeline_builder builder = layers.builder(bucket_policy{{2, 6}});
    builder.recording(options).step("copy", [this](const step_context&, stream_handle on) {
      enqueue_copy(place::device, scrap.data(), scrap.data() + 64, 64, on);
    });
    own.emplace(builder.build().make_lane(stream.get()));
  }
  /** Instantiates and launches `graph`, whatever the caller's device. Waits. */
  void launch(cudaGraph_t graph) const {
    const int current = current_device();
    cudaGraphExec_t exec = nullptr;
    ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
    ASSERT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(exec, stream.get()), cudaSuccess);
    stream.wait();
    ASSERT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
    ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    ASSERT_EQ(cudaSetDevice(current), cudaSuccess);
  }

  model layers{target::cuda, cases(), false};
  model others{target::cuda, cases(), false};
  placed_memory scrap{place::device, 128};
  placed_memory count{place::device, sizeof(std::int32_t)};
  placed_stream stream{place::device};
  std::optional<lane> own;
};

class another_device_current : public testing::Test {
 protected:
  using use_function = std::function<void(on_second_device&)>;

  void SetUp() override {
    if (device_count() < 2) GTEST_SKIP() << "fewer than two CUDA devices";
  }
  void TearDown() override { cudaSetDevice(0); }

  /** The memory of all layers behind `use`, whose caller has device `current`. */
  static std::vector<arena> left_by(const use_function& use, int current,
                                    const recording_options& options) {
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    on_second_device one;
    EXPECT_EQ(cudaSetDevice(current), cudaSuccess);
    one.make_lane(options);
    use(one);
    EXPECT_EQ(current_device(), current);
    one.own.reset();
    EXPECT_EQ(current_device(), current);
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    std::vector<arena> left = one.layers.read();
    for (arena& other : one.others.read())
      left.push_back(std::move(other));
    return left;
  }

  static void expect_no_difference(const use_function& use, const recording_options& options = {}) {
    const auto expected = left_by(use, 1, options);
    EXPECT_EQ(left_by(use, 0, options), expected);
    EXPECT_NE(left_by([](on_second_device&) {}, 1, options), expected) << "nothing ran";
  }
};

TEST_F(another_device_current, during_a_rebind) {
  expect_no_difference([](on_second_device& one) {
    (void)one.own->rebind(
        std::vector<binding>{{"layer0", "x", one.others.args(0).x.data()},
                             {"layer1", "state", one.others.args(1).state.data()}});
    for (const std::int32_t batch : {5, 2})
      one.own->replay(batch, one.stream.get());
  });
}

TEST_F(another_device_current, during_a_rebuild) {
  expect_no_difference([](on_second_device& one) {
    one.own->rebuild(5);
    one.own->replay(5, one.stream.get());
  });
}

TEST_F(another_device_current, during_the_first_use_of_a_lazy_bucket) {
  expect_no_difference(
      [](on_second_device& one) {
        one.own->replay(5, one.stream.get());
        one.own->run_eager(2, one.stream.get());
      },
      {.lazy = true});
}

TEST_F(another_device_current, during_a_recording_into_the_callers_capture) {
  expect_no_difference([](on_second_device& one) {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(one.stream.get(), cudaStreamCaptureModeThreadLocal),
              cudaSuccess);
    one.own->record(6, one.live(), one.stream.get());
    ASSERT_EQ(cudaStreamEndCapture(one.stream.get(), &graph), cudaSuccess);
    one.launch(graph);
  });
}

TEST_F(another_device_current, while_a_child_graph_is_added) {
  expect_no_difference([](on_second_device& one) {
    cudaGraph_t parent = nullptr;
    ASSERT_EQ(cudaGraphCreate(&parent, 0), cudaSuccess);
    (void)one.own->add_child_graph(parent, {}, 6, one.live());
    one.launch(parent);
  });
}

/** Which is that of the current device in every CUDA call. */
TEST_F(another_device_current, while_a_lane_is_on_a_default_stream) {
  for (const stream_handle stream : {stream_handle{}, stream_handle{cudaStreamPerThread}}) {
    expect_no_difference([stream](on_second_device& one) {
      staging_ring ring{64, 2, device{1}};
      lane& own = *one.own;
      own.move_to(stream);
      own.set_random_state({3, 4}, stream);
      own.replay(5, stream);
      own.run_eager(6, stream);
      EXPECT_EQ(own.random_state(), (random_state{3, 4})) << "no step draws";
      ring.begin();
      ring.take<std::int32_t>(one.layers.args(0).state_batch_indices, 1)[0] = 1;
      ring.submit(stream);
      own.replay(1, stream);
      own.move_to(one.stream.get());
      // Further sequences may have that slot, too.
      own.replay(1, one.stream.get());
    });
  }
}

/** Whether anybody made the context of device `ordinal`. */
bool has_context(int ordinal) {
  static const auto state =
      detail::driver_function<PFN_cuDevicePrimaryCtxGetState_v7000>("cuDevicePrimaryCtxGetState");
  unsigned flags = 0;
  int active = 0;
  EXPECT_EQ(state(ordinal, &flags, &active), CUDA_SUCCESS);
  return active != 0;
}

/** Each stage of the life of pipelines on device 1 in a thread that has never set a device. The
 *  first behind which device 0 has a context; empty: none. */
std::string first_stage_with_a_foreign_context() {
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  on_second_device one;
  const placed_stream other{place::device};
  const placed_stream captured{place::device};
  EXPECT_EQ(cudaStreamBeginCapture(captured.get(), cudaStreamCaptureModeRelaxed), cudaSuccess);
  std::optional<staging_ring> ring;
  const std::vector<std::pair<std::string, std::function<void()>>> stages{
      {"nothing", [] {}},
      {"a checked lane", [&] { one.make_lane({.checked = true}); }},
      {"the end of that lane", [&] { one.own.reset(); }},
      {"a lane", [&] { one.make_lane({}); }},
      {"replay", [&] { one.own->replay(5, one.stream.get()); }},
      {"run_eager", [&] { one.own->run_eager(2, one.stream.get()); }},
      {"rebind", [&] { (void)one.own->rebind({}); }},
      {"rebuild", [&] { one.own->rebuild(2); }},
      {"random_state", [&] { (void)one.own->random_state(); }},
      {"set_random_state",
       [&] {
         one.own->set_random_state({1, 2}, one.stream.get());
       }},
      {"record", [&] { one.own->record(6, one.live(), captured.get()); }},
      {"move_to", [&] { one.own->move_to(other.get()); }},
      {"time_buckets", [&] { (void)one.own->time_buckets(1, other.get()); }},
      {"descriptions", [&] { (void)one.own->describe_json(); }},
      {"the end of the lane", [&] { one.own.reset(); }},
      {"automatic",
       [&] {
         pipeline_builder builder{{.backend = "automatic"}, bucket_policy{{6}}};
         (void)builder.ssu("layer", one.layers.args(0)).build();
       }},
      {"an eager call",
       [&] {
         ssu_dispatch{{}, 0}.selective_state_update(one.layers.args(0), one.stream.get());
       }},
      {"reset_slots",
       [&] {
         reset_slots(std::vector{one.layers.args(0).state}, one.layers.args(0).state_batch_indices,
                     one.stream.get());
       }},
      {"a staging ring", [&] { ring.emplace(64, 2, device{1}); }},
      {"a batch of the ring",
       [&] {
         ring->begin();
         ring->take<std::int32_t>(one.layers.args(0).state_batch_indices, 1)[0] = 1;
         ring->submit(one.stream.get());
         ring->begin();
       }},
      {"the end of the ring", [&] { ring.reset(); }}};
  for (const auto& [name, stage] : stages) {
    int current = -1;
    std::thread{[&current, &stage = stage] {
      stage();
      current = current_device();
    }}.join();
    if (has_context(0)) return name;
    if (current != 0) return name + " (which left device " + std::to_string(current) + ")";
  }
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(captured.get(), &graph), cudaSuccess);
  return {};
}

/** A process of its own, for contexts stay. */
TEST(devices, that_nobody_used_get_no_context) {
  if (device_count() < 2) GTEST_SKIP() << "fewer than two CUDA devices";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const std::string stage = first_stage_with_a_foreign_context();
        std::cerr << "context of device 0: " << (stage.empty() ? "none" : "made by " + stage)
                  << std::endl;
        std::_Exit(stage.empty() && !testing::Test::HasFailure() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "context of device 0: none");
}

#endif

}  // namespace
}  // namespace ssugraph::test
