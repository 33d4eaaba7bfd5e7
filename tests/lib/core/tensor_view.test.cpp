#include <ssugraph/error.hpp>
#include <ssugraph/tensor_view.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

const float storage[8]{};

TEST(tensor_view, dense_strides) {
  const tensor_view view{storage, dtype::float32, {2, 3, 4}};
  EXPECT_EQ(view.rank(), 3);
  EXPECT_EQ(view.stride(0), 12);
  EXPECT_EQ(view.stride(1), 4);
  EXPECT_EQ(view.stride(2), 1);
  EXPECT_EQ(view.size(), 24);
  EXPECT_EQ(view.data(), storage);
  EXPECT_TRUE(view);
}

TEST(tensor_view, an_empty_axis_keeps_the_other_strides) {
  const tensor_view view{storage, dtype::float32, {0, 3, 4}};
  EXPECT_EQ(view.size(), 0);
  EXPECT_EQ(view.stride(0), 12);
  EXPECT_TRUE(view);
}

TEST(tensor_view, default_means_not_passed) {
  const tensor_view view;
  EXPECT_FALSE(view);
  EXPECT_EQ(view.rank(), 0);
  EXPECT_EQ(view.size(), 0);
  EXPECT_EQ(to_string(view), "nothing");
}

TEST(tensor_view, keeps_broadcast_and_negative_strides) {
  const tensor_view view{storage, dtype::bfloat16, {4, 2}, {0, -1}};
  EXPECT_EQ(view.stride(0), 0);
  EXPECT_EQ(view.stride(1), -1);
  EXPECT_EQ(view.size(), 8);
}

TEST(tensor_view, refuses_bad_shapes) {
  const std::vector<std::int64_t> none;
  const std::vector<std::int64_t> five(5, 1);
  const auto argument_of = [](auto&& make) -> std::string {
    try {
      make();
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  };
  EXPECT_EQ(argument_of([&] { tensor_view{storage, dtype::float32, std::span{none}}; }), "extents");
  EXPECT_EQ(argument_of([&] { tensor_view{storage, dtype::float32, std::span{five}}; }), "extents");
  EXPECT_EQ(argument_of([&] { tensor_view{storage, dtype::float32, {2, -1}}; }), "extents");
  EXPECT_EQ(argument_of([&] { tensor_view{storage, dtype::float32, {2, -1}, {1, 1}}; }), "extents");
  EXPECT_EQ(argument_of([&] { tensor_view{storage, dtype::float32, {2, 2}, {1}}; }), "strides");
}

TEST(tensor_view, variations) {
  const tensor_view view{storage, dtype::int64, {2, 3}};
  const tensor_view moved = view.at(storage + 2);
  EXPECT_EQ(moved.data(), storage + 2);
  EXPECT_EQ(moved.at(storage), view);
  EXPECT_EQ(view.with_extent(0, 1), (tensor_view{storage, dtype::int64, {1, 3}, {3, 1}}));
  EXPECT_EQ(view.with_unit_axis(0), (tensor_view{storage, dtype::int64, {1, 2, 3}, {0, 3, 1}}));
  EXPECT_EQ(view.with_unit_axis(1), (tensor_view{storage, dtype::int64, {2, 1, 3}, {3, 0, 1}}));
  EXPECT_EQ(view.with_unit_axis(2), (tensor_view{storage, dtype::int64, {2, 3, 1}, {3, 1, 0}}));
}

TEST(tensor_view, equality_is_of_every_part) {
  const tensor_view view{storage, dtype::float32, {2, 3}};
  EXPECT_NE(view, view.at(storage + 1));
  EXPECT_NE(view, (tensor_view{storage, dtype::int32, {2, 3}}));
  EXPECT_NE(view, (tensor_view{storage, dtype::float32, {2, 3}, {4, 1}}));
  EXPECT_NE(view, view.with_extent(1, 2));
}

TEST(tensor_view, prints_dtype_extents_and_strides) {
  const tensor_view view{storage, dtype::bfloat16, {2, 3}, {8, 1}};
  EXPECT_EQ(to_string(view), "bfloat16 (2, 3) strides (8, 1)");
}

TEST(dtype, sizes) {
  EXPECT_EQ(size_of(dtype::float32), 4);
  EXPECT_EQ(size_of(dtype::float16), 2);
  EXPECT_EQ(size_of(dtype::bfloat16), 2);
  EXPECT_EQ(size_of(dtype::int32), 4);
  EXPECT_EQ(size_of(dtype::int64), 8);
  EXPECT_TRUE(is_floating(dtype::float16));
  EXPECT_FALSE(is_floating(dtype::int32));
}

}  // namespace
}  // namespace ssugraph::test
