#include "lib/step/operand.hpp"

#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/step/planned_step.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/** What folds over the operands of a step. */
namespace ssugraph::test {
namespace {

using namespace detail;

constexpr std::array<operand, 7> table{{
    {"state", first_axis::slots, operand_role::state, operand_access::both},
    {"in", first_axis::rows},
    {"out", first_axis::rows, operand_role::data, operand_access::write},
    {"slots", first_axis::sequences, operand_role::source_slots},
    {"slots_written", first_axis::sequences, operand_role::destination_slots},
    {"bounds", first_axis::boundaries, operand_role::bounds},
    {"seed", first_axis::none, operand_role::seed},
}};

std::string names_of(const operand_set& set) {
  std::string names;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (set[i]) names += std::string{table[i].name} + " ";
  }
  return names;
}

TEST(operands, of_a_launch_of_everything_are_told_apart_by_what_it_does) {
  const launch_operands all = operands_of_whole(table);
  EXPECT_EQ(names_of(all.writes), "state out ");
  EXPECT_EQ(names_of(all.reads_with_state), "state slots slots_written bounds seed ");
  EXPECT_EQ(names_of(all.reads_otherwise), "in ");
}

TEST(operands, of_the_ssu_are_the_tensors_of_its_arguments) {
  const auto operands = operands_of_ssu(false);
  const launch_operands all = operands_of_whole(operands);
  for (const char* written : {"state", "out", "dst_state", "state_scale", "dst_state_scale",
                              "x_ring", "B_ring", "dt_ring", "ring_cursor"})
    EXPECT_TRUE(all.writes[find_operand(operands, written)]) << written;
  EXPECT_EQ(all.writes.count(), 9u);
  EXPECT_EQ((all.reads_with_state | all.reads_otherwise | all.writes).count(), operands.size());
  EXPECT_EQ(find_operand(operands, "y"), operands.size());
  EXPECT_EQ(find_operand(operands, operand_role::counts),
            find_operand(operands, "num_accepted_tokens"));
}

TEST(operands, of_the_ssu_read_the_state_alone_beside_another_that_is_written) {
  const auto operands = operands_of_ssu(true);
  const launch_operands all = operands_of_whole(operands);
  for (const char* name : {"state", "state_scale"}) {
    const std::size_t read = find_operand(operands, name);
    EXPECT_TRUE(all.reads_with_state[read] && !all.writes[read]) << name;
  }
  for (const char* name : {"dst_state", "dst_state_scale"}) {
    const std::size_t written = find_operand(operands, name);
    EXPECT_TRUE(all.writes[written] && !all.reads_with_state[written]) << name;
  }
}

class cut_operands : public testing::Test {
 protected:
  std::array<std::byte, 64> memory_{};
  const void* at_ = memory_.data();
  bound_tensors tensors_{{at_, dtype::float32, {9, 2}},
                         {at_, dtype::float32, {8, 2}},
                         {at_, dtype::float32, {8, 2}},
                         {at_, dtype::int64, {4, 3}},
                         {},
                         {at_, dtype::int32, {5}},
                         {}};
};

TEST_F(cut_operands, grow_as_their_first_axis_does) {
  const bound_tensors cut = first_sequences(table, tensors_, 2, 6);
  const std::vector<std::int64_t> expected{9, 6, 6, 2, 0, 3, 0};
  for (std::size_t i = 0; i < cut.size(); ++i)
    EXPECT_EQ(cut[i] ? cut[i].extent(0) : 0, expected[i]) << table[i].name;
}

TEST_F(cut_operands, are_named_where_they_are_too_short) {
  const auto refused = [&](std::int64_t sequences, std::int64_t rows) -> std::string {
    try {
      static_cast<void>(first_sequences(table, tensors_, sequences, rows));
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "";
  };
  EXPECT_EQ(refused(4, 8), "");
  EXPECT_EQ(refused(4, 9), "in");
  EXPECT_EQ(refused(5, 8), "slots");
  tensors_[3] = {};
  EXPECT_EQ(refused(5, 8), "bounds");
}

TEST_F(cut_operands, are_launched_on_dense_aligned_copies) {
  tensors_[3] = {at_, dtype::int64, {4, 3}, {7, 2}};
  tensors_[5] = {at_, dtype::int32, {5}, {3}};
  const step_traits step{.operation = "any",
                         .operands = table,
                         .tensors = tensors_,
                         .sequences = {},
                         .ring = {},
                         .device = device::host(),
                         .draws_seed = true};
  const bound_tensors launched = as_launched(step, 4);
  EXPECT_EQ(launched[0], tensors_[0]);
  EXPECT_EQ(launched[1], tensors_[1]);
  const auto dense = [](const tensor_view& view) {
    return view == tensor_view{view.data(), view.dtype(), view.extents()} &&
           reinterpret_cast<std::uintptr_t>(view.data()) % 256 == 0;
  };
  EXPECT_TRUE(dense(launched[3]));
  EXPECT_EQ(launched[3].dtype(), dtype::int64);
  EXPECT_EQ(launched[3].extent(1), 3);
  EXPECT_FALSE(launched[4]) << "destinations that are not bound have no copy";
  EXPECT_TRUE(dense(launched[5]));
  EXPECT_EQ(launched[5].extent(0), 5);
  EXPECT_TRUE(launched[6]) << "the seed is the lane's";
}

TEST_F(cut_operands, have_a_null_block_that_all_copies_can_hold) {
  constexpr std::int64_t wide = std::int64_t{1} << 32;
  const auto launched = [&](std::int64_t null_block_id) {
    return launched_null_block_id(table, tensors_, null_block_id);
  };
  EXPECT_EQ(launched(wide), wide);
  EXPECT_EQ(launched(-5), -5);
  tensors_[4] = {at_, dtype::int32, {4, 3}};
  EXPECT_EQ(launched(wide), -1) << "a destination cannot hold it";
  EXPECT_EQ(launched(7), 7);
  tensors_[3] = tensors_[4] = {};
  EXPECT_EQ(launched(0), -1) << "without indices every slot is somebody's";
}

}  // namespace
}  // namespace ssugraph::test
