#include "tests/graphs/target_suite.hpp"

#include <ssugraph/pipeline.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>
#if SSUGRAPH_CUDA
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

#endif

}  // namespace
}  // namespace ssugraph::test
