#include "tests/graphs/target_suite.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

/** What a lane hands out of its layers, for slot operations of a whole pipeline. */
namespace ssugraph::test {
namespace {

constexpr std::int64_t slots = 5, nheads = 2, dim = 4, dstate = 8, batch = 2;
/** The greatest magnitude of the states, before and behind a step. */
constexpr double largest = 2.75;

/** The most that a store in `format` changes. */
double half_unit(dtype format, double value) {
  if (format == dtype::bfloat16) return std::abs(value) * 0x1p-8;
  return largest / (format == dtype::int8 ? 127 : 32767) / 2;
}

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
    other_state_ = layout.add(dtype::int8, {slots, nheads, dim, dstate});
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
  static const float* floats(const tensor_view& tensor, arena& memory) {
    return static_cast<const float*>(moved(tensor, memory.data()).data());
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
  tensor_view other_state_;
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

  // What was built to share may have a state of its own now.
  ssu_args again = layers[0];
  again.state = moved(other_state_, base);
  again.state_scale = layers[2].state_scale;
  layers[2].state_scale = layer(2, base).state_scale;
  lane.rebind(std::vector<binding>{{"again", "state", again.state.data()},
                                   {"again", "state_scale", again.state_scale.data()},
                                   {"third", "state_scale", layers[2].state_scale.data()}});
  layers.insert(layers.begin() + 1, again);
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
  constexpr double float_slack = 5e-6;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const auto* const before = floats(states_[i], content_);
    const auto* const after = floats(states_[i], loaded);
    for (std::int64_t e = 0; e < states_[i].size(); ++e) {
      const double lost = half_unit(layers_[i].state.dtype(), before[e]);
      EXPECT_NEAR(after[e], before[e], lost + float_slack) << i << ' ' << e;
    }
  }
  lane.replay(batch, stream.get());
  store_slots(lane.caches(), indices, states, stream.get());
  stream.wait();
  arena after = memory.read_all();
  constexpr double input = 0.1 * 0.5 * 0.5;
  const double decay = std::exp(-0.1);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const auto* const h = floats(states_[i], loaded);
    const auto* const next = floats(states_[i], after);
    const dtype format = layers_[i].state.dtype();
    for (std::int64_t e = 0; e < states_[i].size(); ++e) {
      const double once = h[e] * decay + input;
      const double twice = once * decay + input;
      // The first layer has two steps, each of which stores its state.
      const double lost =
          half_unit(format, once) * (i == 0 ? decay : 0) + half_unit(format, i == 0 ? twice : once);
      EXPECT_NEAR(next[e], i == 0 ? twice : once, lost + float_slack) << i << ' ' << e;
    }
  }
  reset_slots(lane.caches(), indices, stream.get());
  stream.wait();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const ssu_args args = layer(i, after.data());
    for (const tensor_view& tensor : {args.state, args.state_scale}) {
      if (!tensor) continue;
      const std::int64_t bytes = tensor.size() / slots * size_of(tensor.dtype());
      for (const std::int64_t slot : {3, 1})
        std::memset(static_cast<std::byte*>(tensor.data()) + slot * bytes, 0,
                    static_cast<std::size_t>(bytes));
    }
  }
  EXPECT_EQ(memory.read_all(), after) << "not these slots alone are zero now";
}

/** Two checkpointed layers on one cursor, W of 4. */
class rings_of_lane : public target_suite {
 protected:
  static constexpr std::int64_t interval = 4;
  static constexpr std::int64_t ring_rows = 6;

  static tensor_view moved(const tensor_view& tensor, std::byte* base) {
    return tensor.at(base + reinterpret_cast<std::uintptr_t>(tensor.data()));
  }

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
    common.ring_cursor = layout.add(dtype::int32, {slots, 4});
    common.rounding_key = layout.add(dtype::int64, {slots});
    common.checkpoint_interval = interval;
    for (ssu_args& args : layers_) {
      args = common;
      args.state = layout.add(dtype::float32, {slots, nheads, dim, dstate});
      args.x_ring = layout.add(dtype::float32, {slots, nheads, ring_rows, dim});
      args.B_ring = layout.add(dtype::float32, {slots, 1, ring_rows, dstate});
      args.dt_ring = layout.add(dtype::float32, {slots, nheads, ring_rows});
      args.out = layout.add(dtype::float32, {batch, nheads, dim});
    }
    dense_ = layout.add(dtype::float32, {batch, nheads, dim, dstate});
    positions_ = layout.add(dtype::int64, {batch});
    content_ = arena{layout.bytes()};
    std::byte* const base = content_.data();
    const auto fill = [&](const tensor_view& tensor, std::int64_t count, float value) {
      std::fill_n(static_cast<float*>(moved(tensor, base).data()), count, value);
    };
    for (const tensor_view& each : {common.x, common.B, common.C})
      fill(each, each.size(), 0.5f);
    fill(common.dt, batch * nheads, 0.1f);
    fill(common.A, nheads, -1.0f);
    fill(dense_, dense_.size(), 1.0f);
    for (const std::int64_t i : {0, 1}) {
      store_index(address_of(moved(common.state_batch_indices, base), i), dtype::int32, 3 - 2 * i);
      store_index(address_of(moved(positions_, base), i), dtype::int64, 8 + 3 * i);
    }
  }

  [[nodiscard]] ssu_args layer(std::size_t i, std::byte* base) const {
    ssu_args args = layers_[i];
    for (tensor_view* tensor : {&args.state, &args.x, &args.dt, &args.A, &args.B, &args.C,
                                &args.out, &args.state_batch_indices, &args.x_ring, &args.B_ring,
                                &args.dt_ring, &args.ring_cursor, &args.rounding_key})
      *tensor = moved(*tensor, base);
    return args;
  }
  /** Of slots 3 and 1, as they lie in `memory`. */
  [[nodiscard]] std::vector<ring_cursor> cursors(const placed_memory& memory) const {
    arena now = memory.read_all();
    std::vector<ring_cursor> found(2);
    for (std::size_t i = 0; i < 2; ++i)
      std::memcpy(&found[i],
                  address_of(moved(layers_[0].ring_cursor, now.data()), i == 0 ? 3 : 1, 0),
                  sizeof found[i]);
    return found;
  }

  std::array<ssu_args, 2> layers_;
  tensor_view dense_;
  tensor_view positions_;
  arena content_;
};

TEST_P(rings_of_lane, are_loaded_replayed_attached_and_reset) {
  const placed_memory memory{where(), content_};
  const placed_stream stream{where()};
  std::byte* const base = memory.data();
  pipeline_builder builder{{}, bucket_policy{{batch}}, GetParam()};
  std::vector<cache_view> wanted;
  for (const std::size_t i : {0u, 1u}) {
    const ssu_args args = layer(i, base);
    builder.ssu(i == 0 ? "first" : "second", args);
    wanted.push_back({args.state,
                      {},
                      args.x_ring,
                      args.B_ring,
                      args.dt_ring,
                      args.ring_cursor,
                      args.rounding_key});
  }
  lane lane = builder.build().make_lane(stream.get());
  EXPECT_EQ(lane.caches(), wanted);

  const slot_list list{layer(0, base).state_batch_indices, 0};
  const tensor_view positions = moved(positions_, base);
  const std::vector<tensor_view> states(2, moved(dense_, base));
  load_slots(lane.caches(), states, list, positions, stream.get());
  stream.wait();
  EXPECT_EQ(cursors(memory), (std::vector<ring_cursor>{{0, 0, 0, 8}, {0, 0, 0, 11}}));
  // The second sequence has a checkpoint due behind one token, the first behind four.
  for (int i = 0; i < 3; ++i)
    lane.replay(batch, stream.get());
  stream.wait();
  EXPECT_EQ(cursors(memory), (std::vector<ring_cursor>{{0, 2, 1, 8}, {1, 1, 1, 12}}));
  // Both from 1.0, three tokens on: exp(-0.1) h + 0.1 * 0.5 * 0.5 each.
  double h = 1;
  for (int i = 0; i < 3; ++i)
    h = h * std::exp(-0.1) + 0.025;
  arena after = memory.read_all();
  for (const ssu_args& args : layers_) {
    const auto* const out = static_cast<const float*>(moved(args.out, after.data()).data());
    for (std::int64_t e = 0; e < batch * nheads * dim; ++e)
      EXPECT_NEAR(out[e], h * 0.5 * dstate, 1e-5) << e;
  }
  attach_slots(lane.caches(), list, positions, stream.get());
  stream.wait();
  EXPECT_EQ(cursors(memory), (std::vector<ring_cursor>{{0, 0, 0, 8}, {0, 0, 0, 11}}));
  reset_slots(lane.caches(), list, stream.get());
  lane.replay(batch, stream.get());
  stream.wait();
  EXPECT_EQ(cursors(memory), (std::vector<ring_cursor>{{0, 0, 1, 0}, {0, 0, 1, 0}}));
  after = memory.read_all();
  for (const ssu_args& args : layers_) {
    const auto* const out = static_cast<const float*>(moved(args.out, after.data()).data());
    for (std::int64_t e = 0; e < batch * nheads * dim; ++e)
      EXPECT_NEAR(out[e], 0.025 * 0.5 * dstate, 1e-6) << e;
  }
}

SSUGRAPH_ON_BOTH_TARGETS(caches_of_lane);
SSUGRAPH_ON_BOTH_TARGETS(rings_of_lane);

}  // namespace
}  // namespace ssugraph::test
