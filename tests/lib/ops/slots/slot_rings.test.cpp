#include "tests/lib/ops/slots/slot_case.hpp"
#include "tests/support/device.hpp"
#include "tests/support/float_format.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/reset_slots.hpp>
#include <ssugraph/slot_states.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/** Rings and their cursors under slot operations. */
namespace ssugraph::test {
namespace {

constexpr std::array all_formats{dtype::float32, dtype::float16, dtype::bfloat16,
                                 dtype::int8,    dtype::int16,   dtype::float8_e4m3};

class slot_rings : public testing::TestWithParam<place> {
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

  static arena attach(const slot_case& test, place where) {
    const placed_memory memory{where, test.memory};
    const placed_stream stream{where};
    attach_slots(test.caches_at(memory.data()), test.slots_at(memory.data()),
                 moved(test.positions, memory.data()), stream.get());
    stream.wait();
    return memory.read_all();
  }

  /** Layers of 3, 6 and 4 slots on one cursor of 8. */
  static slot_case make_shared() {
    slot_case test;
    arena_layout layout;
    const tensor_view cursor = layout.add(dtype::int32, {8, 4});
    for (const std::int64_t slots : {3, 6, 4}) {
      slot_layer_case& layer = test.layers.emplace_back();
      layer.cache = {.state = layout.add(dtype::int8, {slots, 2, 3, 8}),
                     .state_scale = layout.add(dtype::float32, {slots, 2, 3}),
                     .x_ring = layout.add(dtype::bfloat16, {slots, 2, 5, 3}),
                     .B_ring = layout.add(dtype::float16, {slots, 1, 5, 8}),
                     .dt_ring = layout.add(dtype::float32, {slots, 2, 5}),
                     .ring_cursor = cursor,
                     .rounding_key = layout.add(dtype::int64, {slots})};
      layer.dense = layout.add(dtype::float32, {4, 2, 3, 8});
    }
    test.indices = layout.add(dtype::int32, {4});
    test.positions = layout.add(dtype::int64, {4});
    test.slots = {5, 1, 7, 3};
    test.position_of = {100, 200, 300, 400};
    test.has_positions = true;
    test.memory = arena{layout.bytes()};
    for (std::size_t i = 0; i < test.slots.size(); ++i) {
      std::byte* const base = test.memory.data();
      store_index(address_of(moved(test.indices, base), i), dtype::int32, test.slots[i]);
      store_index(address_of(moved(test.positions, base), i), dtype::int64, test.position_of[i]);
    }
    return test;
  }
};

TEST_P(slot_rings, are_empty_on_states_that_they_are_attached_to) {
  for (int i = 0; i < case_count(20); ++i) {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_engine engine{seed};
    slot_case test = make_slot_case(all_formats, 1, {4, 0, -1, 8, 6, 100, 2}, engine);
    test.has_positions = true;
    test.null_block_id = i % 3 - 1;
    arena before = test.memory;
    arena after = attach(test, GetParam());
    EXPECT_NE(after, before);
    EXPECT_EQ(wrong_cursors(test, before, after), "");
    EXPECT_EQ(after, before) << "more than cursors was written";
  }
}

TEST_P(slot_rings, of_repeated_slots_have_the_cursor_of_one_entry) {
  random_engine engine{base_seed()};
  slot_case test = make_slot_case(all_formats, 1, {2, 5, 2, 2}, engine, nullptr, 1);
  const tensor_view positions = moved(test.positions, test.memory.data());
  for (std::size_t i = 0; i < test.slots.size(); ++i)
    store_index(address_of(positions, i), positions.dtype(), 70 + static_cast<std::int64_t>(i));
  arena attached = attach(test, GetParam());
  arena expected = test.memory;
  for (const cache_view& cache : test.caches_at(expected.data())) {
    if (!cache.ring_cursor) continue;
    const std::array<std::int32_t, 4> five{0, 0, 0, 71};
    std::memcpy(address_of(cache.ring_cursor, 5, 0), five.data(), sizeof five);
    const tensor_view found = cache.ring_cursor.at(
        attached.data() + (static_cast<std::byte*>(cache.ring_cursor.data()) - expected.data()));
    std::array<std::int32_t, 4> two{};
    std::memcpy(two.data(), address_of(found, 2, 0), sizeof two);
    EXPECT_TRUE(two[3] == 70 || two[3] == 72 || two[3] == 73) << two[3];
    two = {0, 0, 0, two[3]};
    std::memcpy(address_of(cache.ring_cursor, 2, 0), two.data(), sizeof two);
  }
  EXPECT_EQ(attached, expected);
}

TEST_P(slot_rings, of_layers_with_more_slots_than_others_share_their_cursor) {
  const slot_case test = make_shared();
  arena before = test.memory;
  arena after = load(test, GetParam());
  EXPECT_EQ(wrong_after_load(test, before, after), "") << "5 is a slot of the second layer alone";
  before = test.memory;
  after = attach(test, GetParam());
  EXPECT_EQ(wrong_cursors(test, before, after), "");
  EXPECT_EQ(after, before);
}

TEST_P(slot_rings, of_a_loaded_state_are_empty_at_position_0_unless_told) {
  slot_case test = make_shared();
  test.has_positions = false;
  arena before = test.memory;
  arena after = load(test, GetParam());
  EXPECT_EQ(wrong_after_load(test, before, after), "");
}

TEST_P(slot_rings, without_cursors_are_left_alone) {
  slot_case test = make_shared();
  for (slot_layer_case& layer : test.layers)
    layer.cache.ring_cursor = {};
  arena before = test.memory;
  EXPECT_EQ(attach(test, GetParam()), before);
  arena after = load(test, GetParam());
  EXPECT_EQ(wrong_after_load(test, before, after), "");
}

// --- Bad input -----------------------------------------------------------------------------------

class bad_slot_rings : public slot_rings {
 protected:
  void SetUp() override {
    slot_rings::SetUp();
    if (IsSkipped()) return;
    memory_ = std::make_unique<placed_memory>(GetParam(), test_.memory);
    good();
  }
  void TearDown() override {
    if (memory_) {
      EXPECT_EQ(memory_->read_all(), test_.memory) << "something ran";
    }
  }

  void good() {
    const std::vector<cache_view> caches = test_.caches_at(memory_->data());
    caches_.assign(caches.begin(), caches.end());  // where they are, for tests refer to them
    states_ = test_.states_at(memory_->data());
    slots_ = test_.slots_at(memory_->data());
    positions_ = moved(test_.positions, memory_->data());
  }
  /** What all calls that write caches refuse alike; then all is as it should be again. */
  std::string refused_by_writing() {
    const std::array by{refused([&] { reset_slots(caches_, slots_, stream_.get()); }), refused([&] {
                          load_slots(caches_, states_, slots_, positions_, stream_.get());
                        }),
                        refused([&] { attach_slots(caches_, slots_, positions_, stream_.get()); })};
    good();
    std::string all = by[0];
    for (const std::string& each : by) {
      if (each != by[0]) all += ", " + each;
    }
    return all;
  }
  /** The same of all calls. */
  std::string refused() {
    const std::string by_store =
        refused([&] { store_slots(caches_, slots_, states_, stream_.get()); });
    const std::string all = refused_by_writing();
    return by_store == all ? all : all + ", " + by_store;
  }
  static std::string refused(const std::function<void()>& call) {
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

  slot_case test_ = make_shared();
  std::unique_ptr<placed_memory> memory_;
  placed_stream stream_{GetParam() == place::device && has_cuda_device() ? place::device
                                                                         : place::host};
  std::vector<cache_view> caches_;
  std::vector<tensor_view> states_;
  slot_list slots_{tensor_view{}};
  tensor_view positions_;
};

TEST_P(bad_slot_rings, lack_no_partner) {
  cache_view& cache = caches_[2];
  for (tensor_view* ring : {&cache.x_ring, &cache.B_ring, &cache.dt_ring}) {
    const std::string name = ring == &cache.x_ring   ? "caches[2].x_ring"
                             : ring == &cache.B_ring ? "caches[2].B_ring"
                                                     : "caches[2].dt_ring";
    *ring = {};
    EXPECT_EQ(refused(), name);
  }
  cache.x_ring = cache.B_ring = cache.dt_ring = cache.rounding_key = {};
  EXPECT_EQ(refused(), "caches[2].x_ring") << "a cursor alone";
  cache.x_ring = cache.B_ring = cache.dt_ring = cache.ring_cursor = {};
  EXPECT_EQ(refused(), "caches[2].x_ring") << "a key alone";
}

TEST_P(bad_slot_rings, have_the_shapes_and_dtypes_of_their_state) {
  cache_view& cache = caches_[1];
  struct ring {
    const char* name;
    tensor_view* tensor;
    int rank;
  };
  for (const auto& [name, tensor, rank] :
       {ring{"caches[1].x_ring", &cache.x_ring, 4}, ring{"caches[1].B_ring", &cache.B_ring, 4},
        ring{"caches[1].dt_ring", &cache.dt_ring, 3}}) {
    *tensor = as(*tensor, dtype::int32);
    EXPECT_EQ(refused(), name);
    for (int axis = 0; axis < rank; ++axis) {
      // R is that of x_ring.
      const bool is_length = axis == 2 && tensor == &cache.x_ring;
      *tensor = tensor->with_extent(axis, is_length ? 4 : tensor->extent(axis) + 2);
      EXPECT_EQ(refused(), is_length ? "caches[1].B_ring" : name) << axis;
    }
    *tensor = tensor_view{tensor->data(), tensor->dtype(), {6}};
    EXPECT_EQ(refused(), name);
    *tensor = tensor->with_extent(0, std::int64_t{1} << 61);
    EXPECT_EQ(refused(), name);
    *tensor = tensor->at(nullptr);
    EXPECT_EQ(refused(), name);
    *tensor = tensor->at(static_cast<std::byte*>(tensor->data()) + 1);
    EXPECT_EQ(refused(), name);
  }
  for (tensor_view* tensor : {&cache.x_ring, &cache.B_ring, &cache.dt_ring})
    *tensor = tensor->with_extent(2, 129);
  EXPECT_EQ(refused(), "caches[1].x_ring");
  for (tensor_view* tensor : {&cache.x_ring, &cache.B_ring, &cache.dt_ring})
    *tensor = tensor->with_extent(2, 0);
  EXPECT_EQ(refused(), "caches[1].x_ring");
}

TEST_P(bad_slot_rings, have_cursors_of_dense_aligned_rows) {
  tensor_view& cursor = caches_[2].ring_cursor;
  const std::string name = "caches[2].ring_cursor";
  cursor = as(cursor, dtype::int64);
  EXPECT_EQ(refused(), name);
  cursor = cursor.with_extent(0, 3);
  EXPECT_EQ(refused(), name) << "the state has 4";
  cursor = cursor.with_extent(1, 3);
  EXPECT_EQ(refused(), name);
  cursor = cursor.with_unit_axis(1);
  EXPECT_EQ(refused(), name);
  cursor = tensor_view{cursor.data(), dtype::int32, {8, 4}, {6, 1}};
  EXPECT_EQ(refused(), name);
  cursor = tensor_view{cursor.data(), dtype::int32, {4, 4}, {8, 2}};
  EXPECT_EQ(refused(), name);
  cursor = cursor.at(static_cast<std::byte*>(cursor.data()) + 4);
  EXPECT_EQ(refused(), name);
  cursor = tensor_view{cursor.data(), dtype::int32, {8, 4}, {std::int64_t{1} << 60, 1}};
  EXPECT_EQ(refused(), name);
  caches_[2].rounding_key = as(caches_[2].rounding_key, dtype::int32);
  EXPECT_EQ(refused(), "caches[2].rounding_key");
  caches_[2].rounding_key = caches_[2].rounding_key.with_extent(0, 3);
  EXPECT_EQ(refused(), "caches[2].rounding_key");
}

TEST_P(bad_slot_rings, have_positions_for_all_entries) {
  const auto refused_positions = [&](const tensor_view& positions) {
    positions_ = positions;
    const std::string by_load =
        refused([&] { load_slots(caches_, states_, slots_, positions_, stream_.get()); });
    const std::string by_attach =
        refused([&] { attach_slots(caches_, slots_, positions_, stream_.get()); });
    good();
    return by_load == by_attach ? by_load : by_load + " by load, " + by_attach + " by attach";
  };
  EXPECT_EQ(refused_positions(as(positions_, dtype::float32)), "positions");
  EXPECT_EQ(refused_positions(positions_.with_extent(0, 3)), "positions");
  EXPECT_EQ(refused_positions(positions_.with_extent(0, 5)), "positions");
  EXPECT_EQ(refused_positions(positions_.with_unit_axis(1)), "positions");
  EXPECT_EQ(refused_positions(positions_.at(nullptr)), "positions");
  EXPECT_EQ(refused_positions(positions_.at(static_cast<std::byte*>(positions_.data()) + 2)),
            "positions");
  EXPECT_EQ(refused_positions({positions_.data(), dtype::int64, {4}, {std::int64_t{1} << 62}}),
            "positions");
  EXPECT_EQ(refused([&] { attach_slots(caches_, slots_, {}, stream_.get()); }), "positions");
}

/** Where all but a store write. */
TEST_P(bad_slot_rings, overlap_nothing_that_is_written) {
  const tensor_view& other = caches_[0].x_ring;
  caches_[2].ring_cursor = caches_[2].ring_cursor.at(other.data());
  EXPECT_EQ(refused_by_writing(), "caches[2].ring_cursor");
  tensor_view& cursor = caches_[2].ring_cursor;
  cursor = cursor.at(static_cast<std::byte*>(cursor.data()) + 16).with_extent(0, 7);
  EXPECT_EQ(refused_by_writing(), "caches[2].ring_cursor") << "nearly that of others";
  cursor = tensor_view{cursor.data(), dtype::int32, {4, 4}, {8, 1}};
  EXPECT_EQ(refused_by_writing(), "caches[2].ring_cursor") << "that of others, in other strides";
  cursor = tensor_view{cursor.data(), dtype::int32, {8, 4}, {0, 1}};
  EXPECT_EQ(refused_by_writing(), "caches[2].ring_cursor") << "all slots have one";
  slots_.indices = slots_.indices.at(cursor.data());
  EXPECT_EQ(refused_by_writing(), "caches[1].ring_cursor") << "of the layer with the most slots";
  const auto by_load = [&] {
    const std::string name =
        refused([&] { load_slots(caches_, states_, slots_, positions_, stream_.get()); });
    good();
    return name;
  };
  caches_[0].B_ring = caches_[0].B_ring.at(caches_[1].state.data());
  EXPECT_EQ(by_load(), "caches[1].state");
  caches_[0].dt_ring = caches_[0].dt_ring.at(caches_[0].state_scale.data());
  EXPECT_EQ(by_load(), "caches[0].state_scale");
  caches_[0].rounding_key = caches_[0].rounding_key.at(caches_[0].state.data());
  EXPECT_EQ(by_load(), "caches[0].state");
  positions_ = positions_.at(caches_[2].state.data());
  EXPECT_EQ(by_load(), "caches[2].state");
  states_[0] = states_[0].at(caches_[1].x_ring.data());
  EXPECT_EQ(refused([&] { store_slots(caches_, slots_, states_, stream_.get()); }), "states[0]");
}

TEST_P(bad_slot_rings, lie_where_the_slots_do) {
  if (GetParam() == place::host) GTEST_SKIP() << "the host has one memory";
  arena host = test_.memory;
  const std::vector<cache_view> on_host = test_.caches_at(host.data());
  caches_[1].dt_ring = on_host[1].dt_ring;
  EXPECT_EQ(refused(), "caches[1].dt_ring");
  caches_[1].ring_cursor = on_host[1].ring_cursor;
  EXPECT_EQ(refused(), "caches[1].ring_cursor");
  positions_ = moved(test_.positions, host.data());
  EXPECT_EQ(refused([&] { attach_slots(caches_, slots_, positions_, stream_.get()); }),
            "positions");
}

std::string place_name(const testing::TestParamInfo<place>& info) {
  return info.param == place::host ? "host" : "device";
}

INSTANTIATE_TEST_SUITE_P(, slot_rings, testing::Values(place::host, place::device), place_name);
INSTANTIATE_TEST_SUITE_P(, bad_slot_rings, testing::Values(place::host, place::device), place_name);

}  // namespace
}  // namespace ssugraph::test
