#include "tests/c_api/c_pipelines.hpp"
#include "tests/lib/ops/slots/slot_case.hpp"

#include <ssugraph/reset_slots.hpp>
#include <ssugraph/slot_states.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

/** Slot operations of the C API against those of C++, on either target. */
namespace ssugraph::test {
namespace {

/** Caches and dense states as C has them. Stays where it is made. */
class c_caches {
 public:
  c_caches(const std::vector<cache_view>& caches, const std::vector<tensor_view>& states,
           const slot_list& slots, bool on_gpu, const tensor_view& at = {})
      : indices_{slots.indices, on_gpu},
        list{sizeof(ssugraph_slot_list), &indices_.tensor, slots.null_block_id, 1, 0} {
    entries_.reserve(caches.size());
    for (const cache_view& cache : caches) {
      entries_.push_back({sizeof(ssugraph_cache), add(cache.state, on_gpu),
                          add(cache.state_scale, on_gpu), add(cache.x_ring, on_gpu),
                          add(cache.B_ring, on_gpu), add(cache.dt_ring, on_gpu),
                          add(cache.ring_cursor, on_gpu), add(cache.rounding_key, on_gpu)});
      pointers.push_back(&entries_.back());
    }
    for (const tensor_view& state : states)
      dense.push_back(add(state, on_gpu));
    positions = add(at, on_gpu);
  }
  c_caches(const c_caches&) = delete;
  c_caches& operator=(const c_caches&) = delete;

  [[nodiscard]] ssugraph_cache& cache(std::size_t layer) { return entries_[layer]; }

 private:
  const DLTensor* add(const tensor_view& view, bool on_gpu) {
    if (!view) return nullptr;
    tensors_.push_back(std::make_unique<c_tensor>(view, on_gpu));
    return &tensors_.back()->tensor;
  }

  std::vector<std::unique_ptr<c_tensor>> tensors_;
  std::vector<ssugraph_cache> entries_;
  c_tensor indices_;

 public:
  std::vector<const ssugraph_cache*> pointers;
  std::vector<const DLTensor*> dense;
  ssugraph_slot_list list;
  const DLTensor* positions = nullptr;
};

/** A state in fp32 of each layer of a model of 8 sequences. */
struct dense_states {
  dense_states(const model& of, place where) : memory{where, arena{bytes_of(of, states)}} {
    for (tensor_view& each : states)
      each = moved(each, memory.data());
  }

  std::vector<tensor_view> states;
  placed_memory memory;

 private:
  static std::size_t bytes_of(const model& of, std::vector<tensor_view>& states) {
    arena_layout layout;
    for (std::size_t layer = 0; layer < of.size(); ++layer) {
      const tensor_view& state = of.args(layer).state;
      states.push_back(
          layout.add(dtype::float32, {8, state.extent(1), state.extent(2), state.extent(3)}));
    }
    return layout.bytes();
  }
};

class c_slot_states : public c_pipelines {
 protected:
  static slot_case make_case() {
    constexpr std::array formats{dtype::bfloat16, dtype::int8, dtype::int16, dtype::float8_e4m3};
    random_engine engine{base_seed()};
    slot_case test = make_slot_case(formats, 1, {4, 0, 9, 2}, engine);
    test.null_block_id = 0;
    return test;
  }
};

TEST_P(c_slot_states, are_loaded_stored_and_reset_as_cpp_does) {
  const slot_case test = make_case();
  const placed_memory by_cpp{where(), test.memory};
  const placed_memory by_c{where(), test.memory};
  const placed_stream stream{where()};
  const auto caches = test.caches_at(by_cpp.data());
  const auto states = test.states_at(by_cpp.data());
  const slot_list slots = test.slots_at(by_cpp.data());
  const tensor_view positions = moved(test.positions, by_cpp.data());
  const c_caches c{test.caches_at(by_c.data()), test.states_at(by_c.data()),
                   test.slots_at(by_c.data()), on_gpu(), moved(test.positions, by_c.data())};
  const std::size_t count = c.pointers.size();
  load_slots(caches, states, slots, stream.get());
  EXPECT_STATUS(
      ssugraph_load_slots(c.pointers.data(), c.dense.data(), count, &c.list, stream.get()),
      SUCCESS);
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
  EXPECT_NE(by_c.read_all(), test.memory);
  attach_slots(caches, slots, positions, stream.get());
  EXPECT_STATUS(ssugraph_attach_slots(c.pointers.data(), count, &c.list, c.positions, stream.get()),
                SUCCESS);
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
  load_slots(caches, states, slots, positions, stream.get());
  EXPECT_STATUS(ssugraph_load_slots_at(c.pointers.data(), c.dense.data(), count, &c.list,
                                       c.positions, stream.get()),
                SUCCESS);
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
  store_slots(caches, slots, states, stream.get());
  EXPECT_STATUS(
      ssugraph_store_slots(c.pointers.data(), &c.list, c.dense.data(), count, stream.get()),
      SUCCESS);
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
  reset_slots(caches, slots, stream.get());
  EXPECT_STATUS(ssugraph_reset_caches(c.pointers.data(), count, &c.list, stream.get()), SUCCESS);
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
}

TEST_P(c_slot_states, of_a_lane_are_those_of_its_layers) {
  constexpr std::array<std::int32_t, 1> buckets{8};
  for (const dtype format : {dtype::bfloat16, dtype::int8}) {
    case_spec spec = rounding_spec();
    spec.state_dtype = format;
    const auto layers = make_layers(spec, 3);
    const model by_cpp{GetParam(), layers, false};
    const model by_c{GetParam(), layers, false};
    const placed_stream stream{where()};
    const lane cpp = by_cpp.build(bucket_policy{{buckets[0]}}).make_lane(stream.get());
    c_lane lane;
    ASSERT_NO_FATAL_FAILURE(
        make_lane(by_c, mamba_config{.stochastic_rounding = true}, buckets, stream.get(), lane));
    const dense_states of_cpp{by_cpp, where()};
    const dense_states of_c{by_c, where()};
    const slot_list slots{by_cpp.args(0).state_batch_indices, 0};
    const c_caches c{{}, of_c.states, {by_c.args(0).state_batch_indices, 0}, on_gpu()};
    const auto before = by_c.read();

    store_slots(cpp.caches(), slots, of_cpp.states, stream.get());
    EXPECT_STATUS(ssugraph_lane_store_slots(lane, &c.list, c.dense.data(), 3, stream.get()),
                  SUCCESS);
    stream.wait();
    EXPECT_EQ(of_c.memory.read_all(), of_cpp.memory.read_all()) << to_string(format);

    reset_slots(cpp.caches(), slots, stream.get());
    EXPECT_STATUS(ssugraph_lane_reset_slots(lane, &c.list, stream.get()), SUCCESS);
    stream.wait();
    EXPECT_EQ(by_c.read(), by_cpp.read()) << to_string(format);
    EXPECT_NE(by_c.read(), before);

    load_slots(cpp.caches(), of_cpp.states, slots, stream.get());
    EXPECT_STATUS(ssugraph_lane_load_slots(lane, c.dense.data(), 3, &c.list, stream.get()),
                  SUCCESS);
    stream.wait();
    EXPECT_EQ(by_c.read(), by_cpp.read()) << to_string(format);
    EXPECT_STATUS(
        ssugraph_lane_load_slots_at(lane, c.dense.data(), 3, &c.list, nullptr, stream.get()),
        SUCCESS);
    EXPECT_STATUS(ssugraph_lane_attach_slots(lane, &c.list, c.list.indices, stream.get()), SUCCESS);
    stream.wait();
    EXPECT_EQ(by_c.read(), by_cpp.read()) << "loaded once more; no layer has a cursor";
    EXPECT_EQ(refused_argument(ssugraph_lane_attach_slots(lane, &c.list, nullptr, stream.get())),
              "positions");
    EXPECT_EQ(refused_argument(ssugraph_lane_load_slots_at(lane, c.dense.data(), 3, &c.list,
                                                           c.dense[0], stream.get())),
              "positions");
    if (!is_scaled(format)) {
      EXPECT_EQ(by_c.read(), before) << "comes back from fp32 as it was";
    }
    EXPECT_EQ(
        refused_argument(ssugraph_lane_load_slots(lane, c.dense.data(), 2, &c.list, stream.get())),
        "states");
  }
}

class bad_c_slot_states : public c_slot_states {};

TEST_P(bad_c_slot_states, are_refused_by_name) {
  const slot_case test = make_case();
  const placed_memory memory{where(), test.memory};
  const placed_stream stream{where()};
  const auto refused = [&](auto change) {
    c_caches c{test.caches_at(memory.data()), test.states_at(memory.data()),
               test.slots_at(memory.data()), on_gpu()};
    change(c);
    return refused_argument(ssugraph_load_slots(c.pointers.data(), c.dense.data(),
                                                c.pointers.size(), &c.list, stream.get()));
  };
  DLTensor odd =
      *c_caches{test.caches_at(memory.data()), {}, test.slots_at(memory.data()), on_gpu()}
           .pointers[0]
           ->state;
  odd.dtype = {kDLInt, 4, 1};
  EXPECT_EQ(refused([](c_caches& c) { c.pointers[1] = nullptr; }), "caches[1]");
  EXPECT_EQ(refused([](c_caches& c) { c.cache(1).struct_size = 3; }), "caches[1].struct_size");
  EXPECT_EQ(refused([&](c_caches& c) { c.cache(1).state = &odd; }), "caches[1].state.dtype");
  EXPECT_EQ(refused([&](c_caches& c) { c.cache(1).state_scale = &odd; }),
            "caches[1].state_scale.dtype");
  EXPECT_EQ(refused([](c_caches& c) { c.cache(1).state = nullptr; }), "caches[1].state");
  EXPECT_EQ(refused([](c_caches& c) { c.cache(4).state_scale = nullptr; }),
            "caches[4].state_scale");
  EXPECT_EQ(refused([&](c_caches& c) { c.cache(1).x_ring = &odd; }), "caches[1].x_ring.dtype");
  EXPECT_EQ(refused([&](c_caches& c) { c.cache(1).B_ring = &odd; }), "caches[1].B_ring.dtype");
  EXPECT_EQ(refused([&](c_caches& c) { c.cache(1).dt_ring = &odd; }), "caches[1].dt_ring.dtype");
  EXPECT_EQ(refused([&](c_caches& c) { c.cache(1).ring_cursor = &odd; }),
            "caches[1].ring_cursor.dtype");
  EXPECT_EQ(refused([&](c_caches& c) { c.cache(1).rounding_key = &odd; }),
            "caches[1].rounding_key.dtype");
  EXPECT_EQ(refused([&](c_caches& c) {
              c.cache(1).x_ring = c.cache(1).B_ring = nullptr;
              c.cache(1).dt_ring = c.cache(4).state_scale;
            }),
            "caches[1].x_ring");
  EXPECT_EQ(refused([](c_caches& c) { c.dense[2] = nullptr; }), "states[2]");
  EXPECT_EQ(refused([](c_caches& c) { c.list.indices = nullptr; }), "slots.indices");
  EXPECT_EQ(refused([](c_caches& c) { c.list.struct_size = 1; }), "slots.struct_size");
  EXPECT_EQ(refused([](c_caches& c) { c.list.reserved = 1; }), "slots.reserved");
  EXPECT_EQ(refused([](c_caches& c) { c.list.has_null_block = 2; }), "slots.has_null_block");
  EXPECT_EQ(refused([](c_caches& c) {
              c.list.has_null_block = 0;
              c.list.null_block_id = 7;
            }),
            "slots.has_null_block");
  EXPECT_EQ(refused_argument(ssugraph_load_slots(nullptr, nullptr, 1, nullptr, nullptr)), "caches");
  EXPECT_EQ(refused_argument(ssugraph_lane_reset_slots(nullptr, nullptr, nullptr)), "lane");
  EXPECT_EQ(memory.read_all(), test.memory);
}

/** A struct of a program that was compiled before there were rings. */
TEST_P(c_slot_states, of_an_older_header_have_no_rings) {
  const slot_case test = make_case();
  const placed_memory memory{where(), test.memory};
  const placed_memory plain{where(), test.memory};
  const placed_stream stream{where()};
  c_caches c{test.caches_at(memory.data()), test.states_at(memory.data()),
             test.slots_at(memory.data()), on_gpu()};
  std::vector<cache_view> caches = test.caches_at(plain.data());
  for (std::size_t layer = 0; layer < caches.size(); ++layer) {
    c.cache(layer).struct_size = offsetof(ssugraph_cache, x_ring);
    caches[layer] = {.state = caches[layer].state, .state_scale = caches[layer].state_scale};
  }
  EXPECT_STATUS(ssugraph_load_slots(c.pointers.data(), c.dense.data(), c.pointers.size(), &c.list,
                                    stream.get()),
                SUCCESS);
  load_slots(caches, test.states_at(plain.data()), test.slots_at(plain.data()), stream.get());
  stream.wait();
  EXPECT_EQ(memory.read_all(), plain.read_all());
}

SSUGRAPH_ON_BOTH_TARGETS(c_slot_states);
SSUGRAPH_ON_BOTH_TARGETS(bad_c_slot_states);

}  // namespace
}  // namespace ssugraph::test
