#include "tests/c_api/c_args.hpp"

#include <ssugraph/cache_layout.hpp>

#include <gtest/gtest.h>

#include <cstdint>

/** ssugraph_lay_out_cache against cache_layout of C++. */
namespace ssugraph::test {
namespace {

/** What C says of a tensor is what C++ hands out of a pool at address 0. */
void expect_same(const ssugraph_cache_part& part, const tensor_view& view) {
  ASSERT_EQ(part.ndim, view.rank());
  if (!view) return;
  EXPECT_EQ(part.offset, static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(view.data())));
  EXPECT_EQ(part.shape[0], 0);
  for (int axis = 0; axis < view.rank(); ++axis) {
    EXPECT_EQ(part.strides[axis], view.stride(axis));
    if (axis > 0) {
      EXPECT_EQ(part.shape[axis], view.extent(axis));
    }
  }
  EXPECT_EQ(part.dtype.bits, size_of(view.dtype()) * 8);
}

void expect_same(const ssugraph_cache_layout& c, const cache_layout& cpp) {
  EXPECT_EQ(c.slot_bytes, cpp.slot_bytes());
  EXPECT_EQ(c.ring_rows, cpp.ring_rows());
  const cache_view cache = cpp.view(nullptr, 3);
  expect_same(c.state, cache.state);
  expect_same(c.state_scale, cache.state_scale);
  expect_same(c.x_ring, cache.x_ring);
  expect_same(c.B_ring, cache.B_ring);
  expect_same(c.dt_ring, cache.dt_ring);
}

ssugraph_cache_sizes sizes_of_c() {
  ssugraph_cache_sizes sizes{};
  sizes.struct_size = sizeof sizes;
  sizes.nheads = 4;
  sizes.dim = 20;
  sizes.dstate = 24;
  return sizes;
}

ssugraph_cache_layout laid_out(const ssugraph_cache_sizes& sizes) {
  ssugraph_cache_layout layout{};
  layout.struct_size = sizeof layout;
  EXPECT_STATUS(ssugraph_lay_out_cache(&sizes, &layout), SUCCESS);
  return layout;
}

TEST(c_cache_layout, is_that_of_cpp) {
  ssugraph_cache_sizes sizes = sizes_of_c();
  cache_sizes cpp{.nheads = 4, .dim = 20, .dstate = 24};
  expect_same(laid_out(sizes), cache_layout::of(cpp));
  sizes.ngroups = cpp.ngroups = 2;
  sizes.checkpoint_interval = cpp.checkpoint_interval = 16;
  sizes.max_seqlen = cpp.max_seqlen = 3;
  sizes.state_dtype = {kDLInt, 8, 1};
  sizes.x_dtype = {kDLFloat, 16, 1};
  sizes.B_dtype = {kDLFloat, 32, 1};
  cpp.state_dtype = dtype::int8;
  cpp.x_dtype = dtype::float16;
  cpp.B_dtype = dtype::float32;
  expect_same(laid_out(sizes), cache_layout::of(cpp));
  sizes.layers = 3;
  sizes.slot_alignment = 4096;
  sizes.ring_rows = 40;
  const cache_layout of_three =
      cache_layout::of(cpp, {.layers = 3, .slot_alignment = 4096, .ring_rows = 40});
  const ssugraph_cache_layout layout = laid_out(sizes);
  expect_same(layout, of_three);
  EXPECT_EQ(static_cast<std::int64_t>(
                reinterpret_cast<std::uintptr_t>(of_three.view(nullptr, 1, 2).B_ring.data())),
            layout.B_ring.offset + 2 * layout.layer_bytes);
}

TEST(c_cache_layout, of_bad_sizes_is_refused_by_name) {
  ssugraph_cache_layout layout{};
  layout.struct_size = sizeof layout;
  const auto refused = [&](auto change) {
    ssugraph_cache_sizes sizes = sizes_of_c();
    change(sizes);
    return refused_argument(ssugraph_lay_out_cache(&sizes, &layout));
  };
  using sizes = ssugraph_cache_sizes;
  EXPECT_EQ(refused([](sizes& s) { s.struct_size = 4; }), "sizes.struct_size");
  EXPECT_EQ(refused([](sizes& s) { s.reserved = 1; }), "sizes.reserved");
  EXPECT_EQ(refused([](sizes& s) { s.nheads = 0; }), "nheads");
  EXPECT_EQ(refused([](sizes& s) { s.ngroups = 3; }), "ngroups");
  EXPECT_EQ(refused([](sizes& s) { s.checkpoint_interval = 65; }), "checkpoint_interval");
  EXPECT_EQ(refused([](sizes& s) { s.ring_rows = 17; }), "ring_rows");
  EXPECT_EQ(refused([](sizes& s) { s.slot_alignment = 100; }), "slot_alignment");
  EXPECT_EQ(refused([](sizes& s) { s.state_dtype = {kDLInt, 4, 1}; }), "sizes.state_dtype");
  EXPECT_EQ(refused([](sizes& s) { s.x_dtype = {kDLInt, 8, 1}; }), "x_dtype");
  EXPECT_EQ(refused([](sizes& s) { s.B_dtype = {kDLFloat, 16, 2}; }), "sizes.B_dtype");
  EXPECT_EQ(layout.slot_bytes, 0) << "something was written";
  EXPECT_EQ(refused_argument(ssugraph_lay_out_cache(nullptr, &layout)), "sizes");
  const ssugraph_cache_sizes good = sizes_of_c();
  EXPECT_EQ(refused_argument(ssugraph_lay_out_cache(&good, nullptr)), "layout");
}

}  // namespace
}  // namespace ssugraph::test
