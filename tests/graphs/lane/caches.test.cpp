#include "tests/graphs/target_suite.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

/** What a lane hands out of its layers, for slot operations of a whole pipeline. */
namespace ssugraph::test {
namespace {

constexpr std::int64_t slots = 5, nheads = 2, dim = 4, dstate = 8, batch = 2;

class caches_of_lane : public target_suite {
 protected:
  void SetUp() override {
    target_suite::SetUp();
    if (IsSkipped()) return;
    arena_layout layout;
    ssu_args common;
    common.x = layout.add(dtype::float32, {batch, nheads, dim});
    common.dt = layout.add(dtype::float32, {batch, nheads, dim}, {nheads, 1, 0});
    common.A = layout.add(dtype::float32, {nheads, dim, dstate}, {1, 0, 0});
    common.B = layout.add(dtype::float32, {batch, 1, dstate});
    common.C = layout.add(dtype::float32, {batch, 1, dstate});
    common.state_batch_indices = layout.add(dtype::int32, {batch});
    for (const dtype format : {dtype::int8, dtype::bfloat16, dtype::int16}) {
      ssu_args args = common;
      args.state = layout.add(format, {slots, nheads, dim, dstate});
      if (is_scaled(format)) args.state_scale = layout.add(dtype::float32, {slots, nheads, dim});
      args.out = layout.add(dtype::float32, {batch, nheads, dim});
      layers_.push_back(args);
      states_.push_back(layout.add(dtype::float32, {batch, nheads, dim, dstate}));
      other_scale_ = layout.add(dtype::float32, {slots, nheads, dim});
    }
    content_ = arena{layout.bytes()};
    fill();
  }

  void fill() {
    std::byte* const base = content_.data();
    const auto at = [&](const tensor_view& tensor) {
      return static_cast<float*>(moved(tensor, base).data());
    };
    for (const tensor_view& state : states_) {
      for (std::int64_t e = 0; e < state.size(); ++e)
        at(state)[e] = static_cast<float>(e % 17 - 5) * 0.25f;
    }
    for (const tensor_view& each : {layers_[0].x, layers_[0].B, layers_[0].C})
      std::fill_n(at(each), each.size(), 0.5f);
    std::fill_n(at(layers_[0].dt), batch * nheads, 0.1f);
    std::fill_n(at(layers_[0].A), nheads, -1.0f);
    const tensor_view indices = moved(layers_[0].state_batch_indices, base);
    store_index(address_of(indices, 0), dtype::int32, 3);
    store_index(address_of(indices, 1), dtype::int32, 1);
  }

  static tensor_view moved(const tensor_view& tensor, std::byte* base) {
    if (!tensor) return {};
    return tensor.at(base + reinterpret_cast<std::uintptr_t>(tensor.data()));
  }
  /** The arguments of a layer on `base`. */
  [[nodiscard]] ssu_args layer(std::size_t i, std::byte* base) const {
    ssu_args args = layers_[i];
    for (tensor_view* tensor : {&args.state, &args.state_scale, &args.x, &args.dt, &args.A, &args.B,
                                &args.C, &args.out, &args.state_batch_indices})
      *tensor = moved(*tensor, base);
    return args;
  }

  /** The layers, a step that shares the state of the first, and one that is not the library's. */
  [[nodiscard]] pipeline build(std::byte* base) const {
    pipeline_builder builder{{}, bucket_policy{{batch}}, GetParam()};
    builder.ssu("first", layer(0, base));
    const auto copy = [](const step_context& context, stream_handle stream) {
      enqueue_copy(where(), context.scratch.data(), context.live_rows, sizeof(std::int32_t),
                   stream);
    };
    builder.step("copy", copy, {.scratch_bytes = sizeof(std::int32_t)});
    ssu_args again = layer(0, base);
    again.out = layer(1, base).out;
    builder.ssu("again", again, {.shares_state = true});
    builder.ssu("second", layer(1, base));
    builder.ssu("third", layer(2, base));
    return builder.build();
  }

  static std::vector<cache_view> caches_of(const std::vector<ssu_args>& layers) {
    std::vector<cache_view> caches;
    caches.reserve(layers.size());
    for (const ssu_args& args : layers)
      caches.push_back({args.state, args.state_scale});
    return caches;
  }

  std::vector<ssu_args> layers_;
  std::vector<tensor_view> states_;
  tensor_view other_scale_;
  arena content_;
};

TEST_P(caches_of_lane, are_those_of_its_steps_as_they_are_bound_now) {
  const placed_memory memory{where(), content_};
  const placed_stream stream{where()};
  std::byte* const base = memory.data();
  lane lane = build(base).make_lane(stream.get());
  std::vector<ssu_args> layers{layer(0, base), layer(1, base), layer(2, base)};
  EXPECT_EQ(lane.caches(), caches_of(layers));
  layers[2].state_scale = moved(other_scale_, base);
  lane.rebind(std::vector<binding>{{"third", "state_scale", layers[2].state_scale.data()}});
  EXPECT_EQ(lane.caches(), caches_of(layers));
}

TEST_P(caches_of_lane, are_loaded_replayed_stored_and_reset) {
  const placed_memory memory{where(), content_};
  const placed_stream stream{where()};
  std::byte* const base = memory.data();
  lane lane = build(base).make_lane(stream.get());
  const slot_list indices{layer(0, base).state_batch_indices, 0};
  std::vector<tensor_view> states;
  states.reserve(states_.size());
  for (const tensor_view& state : states_)
    states.push_back(moved(state, base));
  load_slots(lane.caches(), states, indices, stream.get());
  store_slots(lane.caches(), indices, states, stream.get());
  stream.wait();
  arena loaded = memory.read_all();
  for (const tensor_view& state : states_) {
    const auto* const before = static_cast<const float*>(moved(state, content_.data()).data());
    const auto* const after = static_cast<const float*>(moved(state, loaded.data()).data());
    for (std::int64_t e = 0; e < state.size(); ++e)
      EXPECT_NEAR(after[e], before[e], 2.75 / 254 + 1e-6) << e;
  }
  lane.replay(batch, stream.get());
  store_slots(lane.caches(), indices, states, stream.get());
  reset_slots(lane.caches(), indices, stream.get());
  stream.wait();
  arena after = memory.read_all();
  const float decay = std::exp(-0.1f);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const auto* const h = static_cast<const float*>(moved(states_[i], loaded.data()).data());
    const auto* const next = static_cast<const float*>(moved(states_[i], after.data()).data());
    for (std::int64_t e = 0; e < states_[i].size(); ++e) {
      const float once = h[e] * decay + 0.025f;
      EXPECT_NEAR(next[e], i == 0 ? once * decay + 0.025f : once, 0.03) << i << ' ' << e;
    }
  }
  for (const ssu_args& args : {layer(0, after.data()), layer(1, after.data())}) {
    for (const std::int64_t slot : {3, 1})
      EXPECT_EQ(*address_of(args.state, slot, 1, 2, 3), std::byte{0});
  }
  EXPECT_EQ(load(address_of(layer(0, after.data()).state_scale, 3, 1, 2), dtype::float32), 0.0);
}

SSUGRAPH_ON_BOTH_TARGETS(caches_of_lane);

}  // namespace
}  // namespace ssugraph::test
