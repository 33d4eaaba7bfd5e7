#include "tests/lib/ops/slots/slot_case.hpp"
#include "tests/support/device.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/reset_slots.hpp>
#include <ssugraph/slot_states.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

constexpr std::array all_formats{dtype::float32, dtype::float16, dtype::bfloat16,
                                 dtype::int8,    dtype::int16,   dtype::float8_e4m3};

class slot_states : public testing::TestWithParam<place> {
 protected:
  void SetUp() override {
    if (GetParam() == place::device && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  static arena load(const slot_case& test, place where) {
    const placed_memory memory{where, test.memory};
    const placed_stream stream{where};
    const tensor_view positions = moved(test.positions, memory.data());
    load_slots(test.caches_at(memory.data()), test.states_at(memory.data()),
               test.slots_at(memory.data()), test.has_positions ? positions : tensor_view{},
               stream.get());
    stream.wait();
    return memory.read_all();
  }

  static arena store(const slot_case& test, place where) {
    const placed_memory memory{where, test.memory};
    const placed_stream stream{where};
    store_slots(test.caches_at(memory.data()), test.slots_at(memory.data()),
                test.states_at(memory.data()), stream.get());
    stream.wait();
    return memory.read_all();
  }
};

/** Loaded, compared, and stored from there over dense states that held something else. */
void expect_round_trip(slot_case test, place where,
                       const std::function<arena(const slot_case&, place)>& load,
                       const std::function<arena(const slot_case&, place)>& store) {
  arena before = test.memory;
  arena after = load(test, where);
  EXPECT_EQ(with_plain_nans(test, after), with_plain_nans(test, load(test, place::host)))
      << "host and device store other bits";
  EXPECT_EQ(wrong_after_load(test, before, after), "");
  for (const slot_layer_case& layer : test.layers) {
    const tensor_view dense = moved(layer.dense, after.data());
    for (std::int64_t i = 0; i < dense.extent(0); ++i)
      test::store(address_of(dense, i, 0, 0, 0), dense.dtype(), 77);
  }
  test.memory = after;
  test.has_positions = false;
  arena stored = store(test, where);
  EXPECT_EQ(with_plain_nans(test, stored), with_plain_nans(test, store(test, place::host)))
      << "host and device decode other bits";
  EXPECT_EQ(wrong_after_store(test, after, stored), "");
}

TEST_P(slot_states, are_loaded_and_stored_in_every_format_and_layout) {
  for (int i = 0; i < case_count(20); ++i) {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_engine engine{seed};
    slot_case test = make_slot_case(all_formats, 1, {4, 0, 6, 2}, engine);
    test.has_positions = i % 2 == 0;
    expect_round_trip(test, GetParam(), load, store);
  }
}

TEST_P(slot_states, of_models_too) {
  for (const slot_shape& shape : {slot_shape{3, 4, 64, 128},
                                  {3, 2, 80, 128},
                                  {3, 2, 128, 256},
                                  {3, 3, 64, 64},
                                  {3, 1, 512, 16},
                                  {3, 1, 3, 8}}) {
    random_engine engine{base_seed()};
    expect_round_trip(make_slot_case(all_formats, 1, {2, 1}, engine, &shape), GetParam(), load,
                      store);
  }
}

TEST_P(slot_states, of_slots_outside_and_of_the_null_block_are_left_alone) {
  random_engine engine{base_seed()};
  slot_case test = make_slot_case(
      all_formats, 1, {-1, 0, 9, 3, 5, std::numeric_limits<std::int32_t>::max()}, engine);
  for (const std::int64_t null : {-1, 0, 3, 100}) {
    test.null_block_id = null;
    expect_round_trip(test, GetParam(), load, store);
  }
  test.slots.assign(test.slots.size(), 3);
  const tensor_view indices = moved(test.indices, test.memory.data());
  for (std::size_t i = 0; i < test.slots.size(); ++i)
    store_index(address_of(indices, i), indices.dtype(), 3);
  test.null_block_id = 3;
  EXPECT_EQ(load(test, GetParam()), test.memory);
  EXPECT_EQ(store(test, GetParam()), test.memory);
}

TEST_P(slot_states, of_more_layers_than_one_kernel_takes_are_moved) {
  constexpr slot_shape shape{3, 1, 2, 8};
  for (const std::array formats : {std::array{dtype::int8}, std::array{dtype::bfloat16}}) {
    for (const int each : {190, 191, 381}) {
      random_engine engine{base_seed()};
      expect_round_trip(make_slot_case(formats, each, {2}, engine, &shape), GetParam(), load,
                        store);
    }
  }
}

TEST_P(slot_states, of_no_slot_or_no_layer_are_nothing) {
  random_engine engine{base_seed()};
  const slot_case empty = make_slot_case(all_formats, 1, {}, engine);
  EXPECT_EQ(load(empty, GetParam()), empty.memory);
  EXPECT_EQ(store(empty, GetParam()), empty.memory);
  const slot_case layerless = make_slot_case({}, 1, {1, 2}, engine);
  EXPECT_EQ(load(layerless, GetParam()), layerless.memory);
  EXPECT_EQ(store(layerless, GetParam()), layerless.memory);
}

TEST_P(slot_states, may_leave_out_the_heads_and_have_scales_behind_them_in_a_slot) {
  constexpr std::int64_t slots = 4, dim = 5, dstate = 12;
  constexpr std::int64_t pitch = dim * dstate + 4 * dim + 8;
  slot_case test;
  arena_layout layout;
  const tensor_view pool = layout.add(dtype::int8, {slots, pitch});
  slot_layer_case layer;
  layer.cache.state =
      tensor_view{pool.data(), dtype::int8, {slots, dim, dstate}, {pitch, dstate, 1}};
  layer.cache.state_scale = tensor_view{static_cast<std::byte*>(pool.data()) + dim * dstate,
                                        dtype::float32,
                                        {slots, dim},
                                        {pitch / 4, 1}};
  layer.dense = layout.add(dtype::float32, {2, dim, dstate});
  test.layers = {layer};
  test.indices = layout.add(dtype::int32, {2});
  test.slots = {3, 1};
  test.memory = arena{layout.bytes()};
  const tensor_view dense = moved(layer.dense, test.memory.data());
  for (std::int64_t e = 0; e < dense.size(); ++e)
    static_cast<float*>(dense.data())[e] = static_cast<float>(e - 40);
  const tensor_view indices = moved(test.indices, test.memory.data());
  for (std::size_t i = 0; i < 2; ++i)
    store_index(address_of(indices, i), dtype::int32, test.slots[i]);
  slot_case whole = test;  // with the axis of the heads, as the comparison wants it
  whole.layers[0] = {{.state = layer.cache.state.with_unit_axis(1),
                      .state_scale = layer.cache.state_scale.with_unit_axis(1)},
                     layer.dense.with_unit_axis(1)};
  arena before = test.memory;
  arena after = load(test, GetParam());
  EXPECT_EQ(wrong_after_load(whole, before, after), "");
  test.memory = after;
  arena stored = store(test, GetParam());
  EXPECT_EQ(wrong_after_store(whole, after, stored), "");
}

TEST_P(slot_states, may_be_one_state_for_all_slots) {
  random_engine engine{base_seed()};
  constexpr slot_shape shape{4, 2, 3, 16};
  slot_case test = make_slot_case(all_formats, 1, {3, 1, 2}, engine, &shape);
  for (slot_layer_case& layer : test.layers) {
    const tensor_view& dense = layer.dense;
    layer.dense = tensor_view{dense.data(), dense.dtype(), dense.extents(),
                              std::vector<std::int64_t>{0, 48, 16, 1}};
  }
  arena before = test.memory;
  arena after = load(test, GetParam());
  EXPECT_EQ(wrong_after_load(test, before, after), "");
}

TEST_P(slot_states, are_reset_with_their_scales_and_cursors) {
  random_engine engine{base_seed()};
  slot_case test = make_slot_case(all_formats, 1, {4, 0, -1, 9, 6}, engine);
  test.null_block_id = 0;
  const placed_memory memory{GetParam(), test.memory};
  const placed_stream stream{GetParam()};
  reset_slots(test.caches_at(memory.data()), test.slots_at(memory.data()), stream.get());
  stream.wait();
  arena expected = test.memory;
  for (const cache_view& cache : test.caches_at(expected.data())) {
    const tensor_view scale =
        cache.state_scale ? cache.state_scale.with_unit_axis(3) : tensor_view{};
    const tensor_view cursor =
        cache.ring_cursor ? cache.ring_cursor.with_unit_axis(1).with_unit_axis(1) : tensor_view{};
    for (const tensor_view& tensor : {cache.state, scale, cursor}) {
      if (!tensor) continue;
      for (const std::int64_t slot : {4, 6})
        for (std::int64_t head = 0; head < tensor.extent(1); ++head)
          for (std::int64_t d = 0; d < tensor.extent(2); ++d)
            for (std::int64_t n = 0; n < tensor.extent(3); ++n)
              std::memset(address_of(tensor, slot, head, d, n), 0,
                          static_cast<std::size_t>(size_of(tensor.dtype())));
    }
  }
  EXPECT_EQ(memory.read_all(), expected);
}

// --- Bad input -----------------------------------------------------------------------------------

/** Three layers of int8 with states of each dtype, and what a call refuses of them. */
class bad_slot_states : public slot_states {
 protected:
  void SetUp() override {
    slot_states::SetUp();
    if (IsSkipped()) return;
    random_engine engine{base_seed()};
    constexpr slot_shape shape{4, 2, 3, 16};
    constexpr std::array formats{dtype::int8};
    test_ = make_slot_case(formats, 1, {3, 1}, engine, &shape, 0);
    memory_ = std::make_unique<placed_memory>(GetParam(), test_.memory);
    good();
  }
  void TearDown() override {
    if (memory_) {
      EXPECT_EQ(memory_->read_all(), test_.memory) << "something ran";
    }
  }

  void good() {
    caches_ = test_.caches_at(memory_->data());
    states_ = test_.states_at(memory_->data());
    slots_ = test_.slots_at(memory_->data());
  }
  /** What both calls refuse; then all is as it should be again. */
  std::string refused() {
    const std::string by_load =
        refused([&] { load_slots(caches_, states_, slots_, stream_.get()); });
    const std::string by_store =
        refused([&] { store_slots(caches_, slots_, states_, stream_.get()); });
    good();
    return by_load == by_store ? by_load : by_load + " by load, " + by_store + " by store";
  }
  template <class Call>
  static std::string refused(Call call) {
    try {
      call();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "nothing";
  }

  static tensor_view as(const tensor_view& tensor, dtype type) {
    return {tensor.data(), type, tensor.extents(), tensor.strides()};
  }

  slot_case test_;
  std::unique_ptr<placed_memory> memory_;
  placed_stream stream_{GetParam() == place::device && has_cuda_device() ? place::device
                                                                         : place::host};
  std::vector<cache_view> caches_;
  std::vector<tensor_view> states_;
  slot_list slots_{tensor_view{}};
};

TEST_P(bad_slot_states, are_refused_by_name) {
  states_.pop_back();
  EXPECT_EQ(refused(), "states");
  slots_ = tensor_view{};
  EXPECT_EQ(refused(), "slots");
  slots_.indices = as(slots_.indices, dtype::float32);
  EXPECT_EQ(refused(), "slots");
  slots_.indices = slots_.indices.at(nullptr);
  EXPECT_EQ(refused(), "slots");
  slots_.indices = slots_.indices.with_extent(0, 3);
  EXPECT_EQ(refused(), "states[0]");
  caches_[1].state = {};
  EXPECT_EQ(refused(), "caches[1].state");
  caches_[1].state = as(caches_[1].state, dtype::int32);
  EXPECT_EQ(refused(), "caches[1].state");
  caches_[1].state = caches_[1].state.at(nullptr);
  EXPECT_EQ(refused(), "caches[1].state");
  caches_[1].state = caches_[1].state.with_extent(0, std::int64_t{1} << 61);
  EXPECT_EQ(refused(), "caches[1].state");
  caches_[1].state = caches_[1].state.with_extent(3, 257);
  EXPECT_EQ(refused(), "caches[1].state");
  caches_[1].state = caches_[1].state.with_extent(2, 0);
  caches_[1].state_scale = caches_[1].state_scale.with_extent(2, 0);
  EXPECT_EQ(refused(), "caches[1].state");
  states_[2] = {};
  EXPECT_EQ(refused(), "states[2]");
  states_[2] = as(states_[2], dtype::int8);
  EXPECT_EQ(refused(), "states[2]");
  states_[2] = states_[2].with_extent(2, 2);
  EXPECT_EQ(refused(), "states[2]");
  states_[2] = states_[2].at(nullptr);
  EXPECT_EQ(refused(), "states[2]");
  states_[2] = states_[2].at(static_cast<std::byte*>(states_[2].data()) + 1);
  EXPECT_EQ(refused(), "states[2]");
}

TEST_P(bad_slot_states, have_scales_exactly_if_they_are_scaled) {
  caches_[1].state_scale = {};
  EXPECT_EQ(refused(), "caches[1].state_scale");
  caches_[1].state = as(caches_[1].state, dtype::bfloat16);
  EXPECT_EQ(refused(), "caches[1].state_scale");
  caches_[1].state_scale = as(caches_[1].state_scale, dtype::int32);
  EXPECT_EQ(refused(), "caches[1].state_scale");
  for (const int axis : {0, 1, 2}) {
    caches_[1].state_scale = caches_[1].state_scale.with_extent(axis, 1);
    EXPECT_EQ(refused(), "caches[1].state_scale") << axis;
  }
  caches_[1].state_scale = caches_[1].state_scale.at(nullptr);
  EXPECT_EQ(refused(), "caches[1].state_scale");
  caches_[1].state_scale = {};
  EXPECT_EQ(refused([&] { reset_slots(caches_, slots_, stream_.get()); }), "caches[1].state_scale");
}

TEST_P(bad_slot_states, overlap_nothing_that_is_written) {
  caches_[1].state = caches_[0].state;
  EXPECT_EQ(refused([&] { load_slots(caches_, states_, slots_, stream_.get()); }),
            "caches[1].state");
  caches_[1].state_scale = caches_[0].state_scale;
  EXPECT_EQ(refused([&] { load_slots(caches_, states_, slots_, stream_.get()); }),
            "caches[1].state");
  good();
  caches_[1].state_scale = caches_[0].state_scale;
  EXPECT_EQ(refused([&] { load_slots(caches_, states_, slots_, stream_.get()); }),
            "caches[1].state_scale");
  good();
  states_[1] = as(states_[0], states_[1].dtype());
  EXPECT_EQ(refused([&] { store_slots(caches_, slots_, states_, stream_.get()); }), "states[1]");
  good();
  caches_[0].state = caches_[0].state.at(states_[2].data());
  EXPECT_EQ(refused(), "caches[0].state by load, states[2] by store");
  slots_.indices = slots_.indices.at(caches_[1].state_scale.data());
  EXPECT_EQ(refused([&] { load_slots(caches_, states_, slots_, stream_.get()); }),
            "caches[1].state_scale");
  good();
  const auto on_itself = [](const tensor_view& tensor) {
    return tensor_view{tensor.data(), tensor.dtype(), tensor.extents(),
                       std::vector<std::int64_t>(tensor.extents().size(), 0)};
  };
  caches_[0].state = on_itself(caches_[0].state);
  EXPECT_EQ(refused([&] { load_slots(caches_, states_, slots_, stream_.get()); }),
            "caches[0].state");
  good();
  states_[0] = on_itself(states_[0]);
  EXPECT_EQ(refused([&] { store_slots(caches_, slots_, states_, stream_.get()); }), "states[0]");
}

TEST_P(bad_slot_states, lie_where_the_slots_do) {
  if (GetParam() == place::host) GTEST_SKIP() << "the host has one memory";
  arena host = test_.memory;
  caches_[1].state_scale = test_.caches_at(host.data())[1].state_scale;
  EXPECT_EQ(refused(), "caches[1].state_scale");
  states_[0] = test_.states_at(host.data())[0];
  EXPECT_EQ(refused(), "states[0]");
  caches_[2].state = test_.caches_at(host.data())[2].state;
  EXPECT_EQ(refused(), "caches[2].state");
}

std::string place_name(const testing::TestParamInfo<place>& info) {
  return info.param == place::host ? "host" : "device";
}

INSTANTIATE_TEST_SUITE_P(, slot_states, testing::Values(place::host, place::device), place_name);
INSTANTIATE_TEST_SUITE_P(, bad_slot_states, testing::Values(place::host, place::device),
                         place_name);

}  // namespace
}  // namespace ssugraph::test
