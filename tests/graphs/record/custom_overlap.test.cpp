#include "tests/graphs/replay.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

/**
 * SSU kernels behind and in front of a kernel of the user's that works long after the next one
 * could have started: with the overlap as without, bit for bit.
 */
namespace ssugraph::test {
namespace {

constexpr std::int32_t sequences = 8;
constexpr int replays = 10;

/** The bytes from a tensor's first element to the end of its last; its strides are not negative. */
byte_range bytes_of(const tensor_view& tensor) {
  std::int64_t elements = 1;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    elements += (tensor.extent(axis) - 1) * tensor.stride(axis);
  return {tensor.data(), static_cast<std::size_t>(elements * size_of(tensor.dtype()))};
}

class custom_overlap : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    case_spec spec;
    spec.batch = sequences;
    spec.capacity = sequences;
    spec.nheads = 8;
    spec.dim = 64;
    spec.dstate = 128;
    spec.state_dtype = dtype::bfloat16;
    cases_ = make_layers(spec, 3);
  }

  /** Memory after replays of layers, each behind a slow copy into its `member`. */
  std::vector<arena> run(tensor_view ssu_args::*member, bool pdl, std::optional<overlap> declared,
                         lane_call call) {
    model layers{target::cuda, cases_, false};
    const placed_stream stream{place::device};
    const overlap how = declared.value_or(overlap{.launched_early = true, .triggers = true});
    pipeline_builder builder{{}, bucket_policy{{sequences}}};
    builder.programmatic_dependent_launch(pdl);
    const model elsewhere{target::cuda, cases_, false};
    std::vector<binding> home;
    std::vector<placed_memory> sources;
    for (std::size_t layer = 0; layer < cases_.size(); ++layer) {
      const byte_range range = bytes_of(layers.args(layer).*member);
      // What the layer behind must find: its own content of before, one word further along.
      sources.emplace_back(place::device, range.bytes);
      std::vector<std::byte> content(range.bytes);
      const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(range.data) -
                                                   layers.memory(layer).data());
      layers.memory(layer).read(offset, content);
      std::rotate(content.begin(), content.begin() + 4, content.end());
      sources.back().write(0, content);
      step_options options;
      if (declared) {
        options.writes = {range};
        options.triggers_early = true;
      }
      builder.step(
          "copy" + std::to_string(layer),
          [range, from = sources.back().data(), how](const step_context&, stream_handle on) {
            enqueue_slow_copy(const_cast<void*>(range.data), from, range.bytes / 4 * 4, 30, how,
                              on);
          },
          options);
      ssu_args args = layers.args(layer);
      home.push_back({model::name_of(layer), "state", args.state.data()});
      if (rebinds_) args.state = elsewhere.args(layer).state;
      builder.ssu(model::name_of(layer), args);
    }
    lane lane = builder.build().make_lane(stream.get());
    if (rebinds_) (void)lane.rebind(home);
    for (int i = 0; i < replays; ++i) {
      const std::int32_t batch = sequences - i % sequences;
      test::run(lane, call, batch, stream.get());
    }
    stream.wait();
    return layers.read();
  }

  std::vector<arena> without_overlap(tensor_view ssu_args::*member) {
    return run(member, false, std::nullopt, lane_call::replay);
  }
  void expect_same(tensor_view ssu_args::*member, const std::vector<arena>& expected) {
    for (const bool early : {false, true}) {
      for (const bool triggers : {false, true}) {
        const overlap how{.launched_early = early, .triggers = triggers};
        EXPECT_EQ(run(member, true, how, lane_call::replay), expected) << early << triggers;
        EXPECT_EQ(run(member, true, how, lane_call::run_eager), expected) << early << triggers;
      }
    }
    EXPECT_EQ(run(member, true, std::nullopt, lane_call::replay), expected) << "nothing declared";
  }

  std::vector<ssu_case> cases_;
  bool rebinds_ = false;  ///< the layers are built on states elsewhere, then go over to their own
};

TEST_F(custom_overlap, of_a_step_that_writes_the_inputs_of_the_next_layer) {
  expect_same(&ssu_args::B, without_overlap(&ssu_args::B));
}

TEST_F(custom_overlap, of_a_step_that_writes_the_state_of_the_next_layer) {
  expect_same(&ssu_args::state, without_overlap(&ssu_args::state));
}

TEST_F(custom_overlap, of_a_step_that_writes_where_a_rebind_put_the_state_of_the_next_layer) {
  const auto expected = without_overlap(&ssu_args::state);
  rebinds_ = true;
  expect_same(&ssu_args::state, expected);
}

}  // namespace
}  // namespace ssugraph::test
