#include "lib/core/reach.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace ssugraph::test {
namespace {

constexpr std::int64_t limit = std::int64_t{1} << 62;
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

const void* at(std::int64_t address) {
  return reinterpret_cast<const void*>(static_cast<std::uintptr_t>(address));
}

template <class Memory>
bool is_refused(const Memory& memory) {
  try {
    detail::check_reach("it", memory);
    return false;
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "it");
    return true;
  }
}

TEST(reach, ends_where_addresses_do) {
  EXPECT_FALSE(is_refused(tensor_view{at(limit - 32), dtype::float32, {8}}));
  EXPECT_TRUE(is_refused(tensor_view{at(limit - 28), dtype::float32, {8}}));
  EXPECT_FALSE(is_refused(tensor_view{at(28), dtype::float32, {8}, {-1}}));
  EXPECT_TRUE(is_refused(tensor_view{at(24), dtype::float32, {8}, {-1}})) << "below address 0";
  EXPECT_TRUE(is_refused(tensor_view{at(-8), dtype::float32, {1}}));
}

TEST(reach, adds_up_over_the_axes) {
  const std::int64_t half = limit / 8;  // in elements of 4 bytes
  EXPECT_FALSE(is_refused(tensor_view{at(0), dtype::float32, {2, 1}, {half, half}}));
  EXPECT_TRUE(is_refused(tensor_view{at(0), dtype::float32, {2, 2}, {half, half}}));
  EXPECT_FALSE(is_refused(tensor_view{at(limit / 2), dtype::float32, {2, 2}, {half - 1, -half}}));
  EXPECT_TRUE(is_refused(tensor_view{at(limit / 2), dtype::float32, {2, 3}, {half - 1, -half}}));
}

TEST(reach, of_a_stride_that_no_memory_has) {
  for (const std::int64_t stride : {limit, -limit, limit - 1, largest, -largest, -largest - 1}) {
    const tensor_view two{at(256), dtype::int8, {2, 3}, {stride, 1}};
    EXPECT_TRUE(is_refused(two)) << stride;
    EXPECT_FALSE(is_refused(two.with_extent(0, 1))) << "nobody takes it";
    EXPECT_FALSE(is_refused(two.with_extent(0, 0))) << "nothing is there";
  }
}

TEST(reach, of_extents_that_no_memory_has) {
  const tensor_view broadcast{at(256), dtype::float32, {2, 2}, {0, 0}};
  EXPECT_FALSE(is_refused(broadcast.with_extent(0, std::int64_t{1} << 58)));
  EXPECT_TRUE(is_refused(broadcast.with_extent(0, std::int64_t{1} << 59)));
  EXPECT_TRUE(is_refused(broadcast.with_extent(0, largest)));
  EXPECT_TRUE(is_refused(broadcast.with_extent(0, -1)));
  EXPECT_TRUE(is_refused(broadcast.with_extent(0, 0).with_extent(1, limit))) << "times another one";
}

TEST(reach, of_bytes) {
  EXPECT_FALSE(is_refused(byte_range{at(limit - 8), 8}));
  EXPECT_FALSE(is_refused(byte_range{nullptr, 0}));
  EXPECT_TRUE(is_refused(byte_range{at(limit - 8), 9}));
  EXPECT_TRUE(is_refused(byte_range{at(limit), 0}));
  EXPECT_TRUE(is_refused(byte_range{at(8), ~std::size_t{0}}));
}

TEST(reach, goes_from_the_lowest_byte_to_the_highest) {
  const tensor_view rows{at(4096), dtype::float32, {3, 5}, {-100, 2}};
  const byte_range whole = detail::reach_of(rows);
  EXPECT_EQ(whole.data, at(4096 - 2 * 400));
  EXPECT_EQ(whole.bytes, 2u * 400u + 4u * 8u + 4u);
  const byte_range row = detail::reach_of(rows, 1);
  EXPECT_EQ(row.data, at(4096));
  EXPECT_EQ(row.bytes, 4u * 8u + 4u);
  EXPECT_EQ(detail::reach_of(rows.with_extent(1, 0)).bytes, 0u);
}

TEST(reach, takes_away_strides_that_lead_nowhere_and_no_others) {
  const tensor_view odd{at(256), dtype::float32, {1, 2, 1, 1}, {limit, 8, -7, -largest - 1}};
  EXPECT_EQ(detail::with_strides_in_reach(odd),
            (tensor_view{at(256), dtype::float32, {1, 2, 1, 1}, {0, 8, -7, 0}}));
}

}  // namespace
}  // namespace ssugraph::test
