#include "lib/core/overlap.hpp"

#include "tests/support/float_format.hpp"
#include "tests/support/ssu_case.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <vector>

namespace ssugraph::test {
namespace {

const float storage[256]{};

TEST(may_overlap, disjoint_and_touching_spans) {
  const tensor_view first{storage, dtype::float32, {8}};
  EXPECT_FALSE(detail::may_overlap(first, first.at(storage + 8)));
  EXPECT_FALSE(detail::may_overlap(first.at(storage + 8), first));
  EXPECT_TRUE(detail::may_overlap(first, first.at(storage + 7)));
  EXPECT_TRUE(detail::may_overlap(first, first));
}

TEST(may_overlap, slices_of_a_row) {
  const tensor_view left{storage, dtype::float32, {4, 3}, {10, 1}};
  EXPECT_FALSE(detail::may_overlap(left, left.at(storage + 3)));
  EXPECT_FALSE(detail::may_overlap(left.at(storage + 3), left));
  EXPECT_TRUE(detail::may_overlap(left, left.at(storage + 2)));
  // Slices that meet around the end of the row: element 9 and element 10, which is 0 of the next.
  EXPECT_TRUE(detail::may_overlap(left, left.at(storage + 8)));
  EXPECT_FALSE(detail::may_overlap(left, left.at(storage + 7)));
}

TEST(may_overlap, one_row_is_a_slice_of_rows_whatever_its_stride) {
  const tensor_view rows{storage, dtype::float32, {4, 3}, {10, 1}};
  for (const std::int64_t stride : {1, 10, 77}) {
    const tensor_view row{storage + 13, dtype::float32, {1, 3}, {stride, 1}};
    EXPECT_FALSE(detail::may_overlap(rows, row));
    EXPECT_FALSE(detail::may_overlap(row, rows));
    EXPECT_TRUE(detail::may_overlap(rows, row.at(storage + 12)));
    EXPECT_TRUE(detail::may_overlap(row.at(storage + 8), rows));
    EXPECT_TRUE(detail::may_overlap(row, row.at(storage + 15)));
  }
}

TEST(may_overlap, steps_backwards) {
  const tensor_view backwards{storage + 7, dtype::float32, {8}, {-1}};
  EXPECT_TRUE(detail::may_overlap(backwards, tensor_view{storage, dtype::float32, {1}}));
  EXPECT_FALSE(detail::may_overlap(backwards, tensor_view{storage + 8, dtype::float32, {8}}));
}

TEST(may_overlap, an_empty_tensor_has_no_byte) {
  const tensor_view empty{storage, dtype::float32, {0, 8}};
  EXPECT_FALSE(detail::may_overlap(empty, tensor_view{storage, dtype::float32, {8}}));
}

std::set<std::uintptr_t> bytes_of(const tensor_view& tensor) {
  std::set<std::uintptr_t> bytes;
  for (std::int64_t i = 0; i < tensor.extent(0); ++i) {
    for (std::int64_t j = 0; j < tensor.extent(1); ++j) {
      const auto at = reinterpret_cast<std::uintptr_t>(address_of(tensor, i, j));
      for (std::int64_t byte = 0; byte < size_of(tensor.dtype()); ++byte)
        bytes.insert(at + byte);
    }
  }
  return bytes;
}

TEST(describe_overlap, tells_what_overlaps_from_what_interleaves) {
  const auto heads = [](std::ptrdiff_t offset, std::int64_t pitch = 128) {
    return tensor_view{storage + offset, dtype::float32, {2, 4, 16}, {pitch, 32, 1}};
  };
  const auto told = [](const tensor_view& a, const tensor_view& b) {
    EXPECT_TRUE(detail::may_overlap(a, b));
    return detail::describe_overlap(a, b, "z");
  };
  EXPECT_EQ(told(heads(0), heads(0)), "overlap with z");
  EXPECT_EQ(told(heads(0), heads(8)), "overlap with z");
  EXPECT_EQ(told(heads(8), heads(0)), "overlap with z");
  EXPECT_NE(told(heads(0), heads(16, 160)).find("interleave with those of z"), std::string::npos);
  EXPECT_FALSE(detail::may_overlap(heads(0), heads(16)));
}

/** Codes of rows, and their scales: behind each row or in front of it, or behind each head. */
TEST(may_overlap, scales_may_lie_among_the_rows_of_a_state) {
  const auto* const base = reinterpret_cast<const std::byte*>(storage + 16);
  const tensor_view by_row{base, dtype::int8, {2, 3, 2, 8}, {72, 24, 12, 1}};
  const auto row_scales = [&](std::ptrdiff_t at) {
    return tensor_view{base + at, dtype::float32, {2, 3, 2}, {18, 6, 3}};
  };
  const tensor_view by_head{base, dtype::int8, {2, 3, 2, 8}, {72, 24, 8, 1}};
  const auto head_scales = [&](std::ptrdiff_t at) {
    return tensor_view{base + at, dtype::float32, {2, 3, 2}, {18, 6, 1}};
  };
  const auto meet = [](const tensor_view& a, const tensor_view& b) {
    EXPECT_EQ(detail::may_overlap(a, b), detail::may_overlap(b, a));
    return detail::may_overlap(a, b);
  };
  EXPECT_FALSE(meet(by_row, row_scales(8)));
  EXPECT_FALSE(meet(by_row, row_scales(-4)));
  EXPECT_TRUE(meet(by_row, row_scales(4)));
  EXPECT_FALSE(meet(by_head, head_scales(16)));
  EXPECT_TRUE(meet(by_head, head_scales(12)));
  EXPECT_TRUE(meet(by_head, row_scales(8)));
}

TEST(may_overlap, never_misses_a_shared_byte) {
  random_engine engine{base_seed()};
  int shared = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto random_view = [&] {
      const dtype type = chance(engine, 0.5) ? dtype::float16 : dtype::float32;
      const std::int64_t pitch = chance(engine, 0.5) ? 12 : pick(engine, -9, 12);
      return tensor_view{storage + pick(engine, 60, 120),
                         type,
                         {pick(engine, 1, 4), pick(engine, 1, 5)},
                         {pitch, pick(engine, -2, 3)}};
    };
    const tensor_view a = random_view();
    const tensor_view b = random_view();
    std::vector<std::uintptr_t> common;
    const auto bytes_of_a = bytes_of(a);
    const auto bytes_of_b = bytes_of(b);
    std::ranges::set_intersection(bytes_of_a, bytes_of_b, std::back_inserter(common));
    if (common.empty()) continue;
    ++shared;
    ASSERT_TRUE(detail::may_overlap(a, b))
        << to_string(a) << " at " << a.data() << ", " << to_string(b) << " at " << b.data();
  }
  EXPECT_GT(shared, 300);
}

/** Each byte that next_byte_of leads to, and what it says behind the last. */
std::set<std::uintptr_t> bytes_in_turn(const tensor_view& tensor) {
  std::set<std::uintptr_t> bytes;
  const std::byte* at = detail::next_byte_of(tensor, nullptr);
  for (; at != nullptr; at = detail::next_byte_of(tensor, at + 1)) {
    if (!bytes.insert(reinterpret_cast<std::uintptr_t>(at)).second) break;  // it never ends
  }
  EXPECT_EQ(at, nullptr);
  return bytes;
}

TEST(next_byte_of, leads_to_each_byte_in_turn) {
  const std::vector<tensor_view> views{
      {storage, dtype::float32, {3, 5}},
      {storage, dtype::float32, {3, 5}, {8, 1}},
      {storage + 30, dtype::float32, {3, 5}, {-8, 1}},
      {storage, dtype::float32, {5, 3}, {1, 8}},
      {storage, dtype::float32, {3, 4}, {20, 3}},
      {storage, dtype::float16, {3, 4}, {7, 2}},
      {storage, dtype::float32, {4, 3}, {0, 2}},
      {storage, dtype::float32, {1, 3}, {99, 2}},
  };
  for (const tensor_view& view : views) {
    SCOPED_TRACE(to_string(view));
    EXPECT_EQ(bytes_in_turn(view), bytes_of(view));
  }
  EXPECT_EQ(detail::next_byte_of(views[0].with_extent(0, 0), nullptr), nullptr);
}

TEST(next_byte_of, misses_no_byte_of_axes_that_step_into_each_other) {
  random_engine engine{base_seed()};
  for (int i = 0; i < 1000; ++i) {
    const tensor_view view{storage + 128,
                           dtype::float32,
                           {pick(engine, 1, 5), pick(engine, 1, 5)},
                           {pick(engine, -20, 20), pick(engine, -20, 20)}};
    const auto in_turn = bytes_in_turn(view);
    const auto touched = bytes_of(view);
    ASSERT_TRUE(std::ranges::includes(in_turn, touched)) << to_string(view);
    ASSERT_EQ(*in_turn.rbegin(), *touched.rbegin()) << to_string(view);
  }
}

TEST(may_overlap, ranges_that_share_a_byte) {
  alignas(8) static std::byte storage[16];
  const auto range = [&](int begin, int end) {
    return byte_range{storage + begin, static_cast<std::size_t>(end - begin)};
  };
  EXPECT_TRUE(detail::may_overlap(range(0, 8), range(7, 9)));
  EXPECT_TRUE(detail::may_overlap(range(7, 9), range(0, 8)));
  EXPECT_TRUE(detail::may_overlap(range(0, 16), range(4, 5)));
  EXPECT_FALSE(detail::may_overlap(range(0, 8), range(8, 16)));
  EXPECT_FALSE(detail::may_overlap(range(8, 16), range(0, 8)));
  EXPECT_FALSE(detail::may_overlap(range(0, 16), range(4, 4))) << "an empty one";
  EXPECT_FALSE(detail::may_overlap(range(4, 4), range(0, 16)));
}

TEST(overlaps_itself, tells_layouts_from_collisions) {
  const auto collides = [](std::initializer_list<std::int64_t> extents,
                           std::initializer_list<std::int64_t> strides) {
    return detail::overlaps_itself({nullptr, dtype::float32, extents, strides});
  };
  EXPECT_FALSE(collides({3, 4, 5}, {20, 5, 1}));
  EXPECT_FALSE(collides({3, 4, 5}, {1, 3, 12})) << "any order of axes";
  EXPECT_FALSE(collides({3, 4, 5}, {-100, 5, -1})) << "slack and negative strides";
  EXPECT_FALSE(collides({3, 1, 5}, {5, 0, 1})) << "an extent of 1 steps nowhere";
  EXPECT_TRUE(collides({3, 4}, {0, 1}));
  EXPECT_TRUE(collides({8, 4}, {1, 1}));
  EXPECT_TRUE(collides({8, 4, 8}, {8, 8, 1})) << "a stride in the wrong unit";
}

}  // namespace
}  // namespace ssugraph::test
