#include "tests/support/arena.hpp"
#include "tests/support/device.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/reset_slots.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace ssugraph::test {
namespace {

/** States of many shapes and a list of slots, in one arena that holds no zero. */
struct reset_case {
  std::vector<tensor_view> states;
  tensor_view slots;
  arena memory;

  [[nodiscard]] std::vector<tensor_view> states_at(std::byte* base) const {
    std::vector<tensor_view> moved;
    for (const tensor_view& state : states)
      moved.push_back(at(state, base));
    return moved;
  }
  static tensor_view at(const tensor_view& tensor, std::byte* base) {
    return tensor.at(base + reinterpret_cast<std::uintptr_t>(tensor.data()));
  }
};

reset_case make_reset_case(std::size_t layers, dtype index_type,
                           const std::vector<std::int64_t>& slots) {
  reset_case test;
  arena_layout layout;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    switch (layer % 4) {
      case 0:
        test.states.push_back(layout.add(dtype::bfloat16, {9, 4, 8, 16}));
        break;
      case 1:  // slots longer than their state, heads further apart
        test.states.push_back(layout.add(dtype::float32, {7, 2, 5, 3}, {100, 31, 6, 2}));
        break;
      case 2:  // Mamba-1, without heads
        test.states.push_back(layout.add(dtype::float16, {12, 33, 16}));
        break;
      default:  // backwards and misaligned
        test.states.push_back(layout.add(dtype::float16, {5, 1, 9, 7}, {-70, 70, 7, 1}, 3));
    }
  }
  const auto count = static_cast<std::int64_t>(slots.size());
  test.slots = layout.add(index_type, {count}, {3});
  test.memory = arena{layout.bytes()};
  for (std::size_t i = 0; i < slots.size(); ++i) {
    store_index(address_of(reset_case::at(test.slots, test.memory.data()), i), index_type,
                slots[i]);
  }
  return test;
}

/** What the arena must hold afterwards, element by element. */
arena expected_after(const reset_case& test, const std::vector<std::int64_t>& slots) {
  arena memory = test.memory;
  for (tensor_view state : test.states_at(memory.data())) {
    if (state.rank() == 3) state = state.with_unit_axis(1);
    for (const std::int64_t slot : slots) {
      if (slot < 0 || slot >= state.extent(0)) continue;
      for (std::int64_t head = 0; head < state.extent(1); ++head) {
        for (std::int64_t d = 0; d < state.extent(2); ++d) {
          for (std::int64_t n = 0; n < state.extent(3); ++n) {
            std::memset(address_of(state, slot, head, d, n), 0,
                        static_cast<std::size_t>(size_of(state.dtype())));
          }
        }
      }
    }
  }
  return memory;
}

class resetting : public testing::TestWithParam<place> {
 protected:
  void SetUp() override {
    if (GetParam() == place::device && !has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  arena run(const reset_case& test) {
    const placed_memory memory{GetParam(), test.memory};
    const placed_stream stream{GetParam()};
    const auto states = test.states_at(memory.data());
    reset_slots(states, reset_case::at(test.slots, memory.data()), stream.get());
    stream.wait();
    return memory.read_all();
  }
};

TEST_P(resetting, zeroes_the_slots_of_all_layers_and_nothing_else) {
  const std::vector<std::int64_t> slots{4, 0, 6};
  for (const dtype type : {dtype::int32, dtype::int64}) {
    const reset_case test = make_reset_case(8, type, slots);
    EXPECT_EQ(run(test), expected_after(test, slots));
  }
}

TEST_P(resetting, skips_slots_outside_of_a_state) {
  const std::vector<std::int64_t> slots{-1, 8, 1'000'000, 5, (std::int64_t{1} << 32) + 2};
  const reset_case test = make_reset_case(4, dtype::int64, slots);
  EXPECT_EQ(run(test), expected_after(test, slots));
}

TEST_P(resetting, serves_more_layers_than_one_kernel_does) {
  const std::vector<std::int64_t> slots{2};
  for (const std::size_t layers : {400u, 401u, 1000u}) {
    const reset_case test = make_reset_case(layers, dtype::int32, slots);
    EXPECT_EQ(run(test), expected_after(test, slots)) << layers;
  }
}

TEST_P(resetting, of_no_slot_or_no_state_does_nothing) {
  const reset_case test = make_reset_case(4, dtype::int32, {});
  EXPECT_EQ(run(test), test.memory);
  // An empty device vector has no address.
  const placed_memory memory{GetParam(), test.memory};
  const std::vector<tensor_view> states{{memory.data(), dtype::float32, {1, 2, 2}}};
  reset_slots(states, tensor_view{nullptr, dtype::int32, {0}}, nullptr);
  EXPECT_EQ(memory.read_all(), test.memory);
  const reset_case stateless = make_reset_case(0, dtype::int32, {1, 2});
  EXPECT_EQ(run(stateless), stateless.memory);
}

TEST_P(resetting, takes_any_stride_along_an_axis_of_one_entry) {
  const std::int64_t any = std::int64_t{1} << 62;
  arena_layout layout;
  const tensor_view dense = layout.add(dtype::float32, {1, 1, 4, 8});
  reset_case test;
  test.states = {tensor_view{dense.data(), dtype::float32, dense.extents(),
                             std::vector<std::int64_t>{any, -any, 8, 1}}};
  const tensor_view one = layout.add(dtype::int32, {1});
  test.slots = tensor_view{one.data(), dtype::int32, one.extents(), std::vector{any}};
  test.memory = arena{layout.bytes()};
  store_index(test.memory.data() + reinterpret_cast<std::uintptr_t>(one.data()), dtype::int32, 0);
  reset_case sane = test;
  sane.states = {dense};
  EXPECT_EQ(run(test), expected_after(sane, {0}));
}

TEST_P(resetting, refuses_bad_input_and_changes_nothing) {
  const reset_case test = make_reset_case(3, dtype::int32, {1});
  const placed_memory memory{GetParam(), test.memory};
  const placed_stream stream{GetParam()};
  const tensor_view slots = reset_case::at(test.slots, memory.data());
  const auto argument_of = [&](const std::vector<tensor_view>& states, const tensor_view& list) {
    try {
      reset_slots(states, list, stream.get());
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return std::string{"no error"};
  };
  auto states = test.states_at(memory.data());
  EXPECT_EQ(argument_of(states, {}), "slots");
  EXPECT_EQ(argument_of(states, tensor_view{slots.data(), dtype::float32, {1}}), "slots");
  EXPECT_EQ(argument_of(states, tensor_view{slots.data(), dtype::int32, {1, 1}}), "slots");
  EXPECT_EQ(argument_of(states, slots.at(nullptr)), "slots");
  states[1] = tensor_view{states[1].data(), dtype::int32, {2, 2, 2, 2}};
  EXPECT_EQ(argument_of(states, slots), "states[1]");
  states[1] = tensor_view{states[1].data(), dtype::float32, {2, 2}};
  EXPECT_EQ(argument_of(states, slots), "states[1]");
  states[1] = tensor_view{nullptr, dtype::float32, {2, 2, 2}};
  EXPECT_EQ(argument_of(states, slots), "states[1]");
  for (const std::int64_t stride :
       {std::int64_t{1} << 62, -(std::int64_t{1} << 62), std::int64_t{1} << 61}) {
    states[1] = tensor_view{states[0].data(), dtype::float32, {2, 2, 2}, {stride, 2, 1}};
    EXPECT_EQ(argument_of(states, slots), "states[1]");
    EXPECT_EQ(argument_of(states, tensor_view{slots.data(), dtype::int32, {2}, {stride}}), "slots");
  }
  states[1] =
      tensor_view{states[0].data(), dtype::float32, {2, std::int64_t{1} << 32, 2}, {2, 0, 1}};
  EXPECT_EQ(argument_of(states, slots), "states[1]");
  states[1] = states[0].with_extent(0, std::int64_t{1} << 61);
  EXPECT_EQ(argument_of(states, slots), "states[1]");
  EXPECT_EQ(argument_of(states, slots.with_extent(0, -1)), "slots");
  EXPECT_EQ(
      argument_of(states, tensor_view{slots.data(), dtype::int32, {std::int64_t{1} << 33}, {0}}),
      "slots");
  states = test.states_at(memory.data());
  if (GetParam() == place::device) {
    arena host = test.memory;
    states[2] = test.states_at(host.data())[2];
    EXPECT_EQ(argument_of(states, slots), "states[2]");
  }
  EXPECT_EQ(memory.read_all(), test.memory);
}

INSTANTIATE_TEST_SUITE_P(, resetting, testing::Values(place::host, place::device),
                         [](const auto& info) {
                           return info.param == place::host ? "host" : "device";
                         });

}  // namespace
}  // namespace ssugraph::test
