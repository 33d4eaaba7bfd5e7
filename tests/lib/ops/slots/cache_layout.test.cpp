#include "lib/core/overlap.hpp"
#include "tests/lib/ops/slots/slot_case.hpp"
#include "tests/support/arena.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/cache_layout.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/reset_slots.hpp>
#include <ssugraph/rings.hpp>
#include <ssugraph/slot_states.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

constexpr std::array all_formats{dtype::float32, dtype::float16, dtype::bfloat16,
                                 dtype::int8,    dtype::int16,   dtype::float8_e4m3};

std::vector<tensor_view> tensors_of(const cache_view& cache) {
  std::vector<tensor_view> bound;
  for (const tensor_view& each :
       {cache.state, cache.state_scale, cache.x_ring, cache.B_ring, cache.dt_ring}) {
    if (each) bound.push_back(each);
  }
  return bound;
}

/** With all axes. */
tensor_view whole(tensor_view tensor) {
  while (tensor.rank() < 4)
    tensor = tensor.with_unit_axis(tensor.rank());
  return tensor;
}

/** Calls `use` with each element of a tensor and its slot. */
void for_each_element(const tensor_view& given,
                      const std::function<void(std::byte*, std::int64_t)>& use) {
  const tensor_view tensor = whole(given);
  for (std::int64_t slot = 0; slot < tensor.extent(0); ++slot)
    for (std::int64_t i = 0; i < tensor.extent(1); ++i)
      for (std::int64_t j = 0; j < tensor.extent(2); ++j)
        for (std::int64_t k = 0; k < tensor.extent(3); ++k)
          use(address_of(tensor, slot, i, j, k), slot);
}

cache_sizes random_sizes(random_engine& engine) {
  const auto any_float = [&] {
    return std::array{dtype::float32, dtype::float16,
                      dtype::bfloat16}[static_cast<std::size_t>(pick(engine, 0, 2))];
  };
  cache_sizes sizes{.nheads = pick(engine, 1, 4),
                    .dim = pick(engine, 1, 9),
                    .dstate = pick(engine, 1, 20),
                    .state_dtype = all_formats[static_cast<std::size_t>(pick(engine, 0, 5))],
                    .x_dtype = any_float(),
                    .B_dtype = any_float()};
  if (chance(engine, 0.5)) sizes.ngroups = sizes.nheads;
  if (chance(engine, 0.8)) {
    sizes.max_seqlen = pick(engine, 1, 4);
    sizes.checkpoint_interval = pick(engine, sizes.max_seqlen, 8);
  }
  return sizes;
}

TEST(cache_layout, keeps_all_parts_of_all_layers_apart_and_within_their_slot) {
  for (int i = 0; i < case_count(200); ++i) {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_engine engine{seed};
    const cache_sizes sizes = random_sizes(engine);
    const cache_layout_options options{.layers = pick(engine, 1, 3),
                                       .slot_alignment = chance(engine, 0.5) ? 256 : 1280};
    const cache_layout layout = cache_layout::of(sizes, options);
    ASSERT_EQ(layout.slot_bytes() % options.slot_alignment, 0);
    const std::int64_t slots = pick(engine, 1, 4);
    arena pool{static_cast<std::size_t>(slots * layout.slot_bytes())};
    std::vector<int> touched(pool.size(), 0);
    std::vector<tensor_view> tensors;
    for (std::int64_t layer = 0; layer < options.layers; ++layer) {
      for (const tensor_view& tensor : tensors_of(layout.view(pool.data(), slots, layer))) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % 128, 0u);
        for_each_element(tensor, [&](const std::byte* at, std::int64_t slot) {
          const std::int64_t offset = at - pool.data();
          EXPECT_EQ(offset / layout.slot_bytes(), slot);
          for (std::int64_t byte = 0; byte < size_of(tensor.dtype()); ++byte)
            ++touched[static_cast<std::size_t>(offset + byte)];
        });
        for (const tensor_view& other : tensors)
          EXPECT_FALSE(detail::may_overlap(tensor, other)) << to_string(tensor) << to_string(other);
        EXPECT_FALSE(detail::overlaps_itself(tensor));
        tensors.push_back(tensor);
      }
    }
    EXPECT_LE(std::ranges::max(touched), 1);
  }
}

TEST(cache_layout, has_rows_of_rings_that_vectors_are_read_from) {
  for (const std::int64_t dim : {1, 7, 64, 80}) {
    const cache_layout layout = cache_layout::of({.nheads = 3,
                                                  .dim = dim,
                                                  .dstate = 20,
                                                  .x_dtype = dtype::float16,
                                                  .checkpoint_interval = 16});
    EXPECT_EQ(layout.ring_rows(), 17);
    const cache_view cache = layout.view(nullptr, 2);
    for (const tensor_view& ring : {cache.x_ring, cache.B_ring}) {
      EXPECT_EQ(ring.stride(3), 1);
      for (const int axis : {0, 1, 2})
        EXPECT_EQ(ring.stride(axis) * size_of(ring.dtype()) % 16, 0) << dim << ' ' << axis;
    }
    EXPECT_EQ(cache.dt_ring.stride(1) * 4 % 16, 0);
  }
}

/** The numbers of the comment in cache_layout.hpp. */
TEST(cache_layout, of_a_model_is_as_large_as_its_page_says) {
  cache_sizes sizes{
      .nheads = 128, .dim = 64, .dstate = 128, .ngroups = 8, .checkpoint_interval = 16};
  const auto share_of = [&](dtype format, std::int64_t max_seqlen) {
    sizes.state_dtype = format;
    sizes.max_seqlen = max_seqlen;
    const cache_layout layout = cache_layout::of(sizes);
    EXPECT_EQ(layout.slot_bytes(), layout.state_bytes() + layout.ring_bytes());
    return static_cast<double>(layout.ring_bytes()) / static_cast<double>(layout.state_bytes());
  };
  EXPECT_NEAR(share_of(dtype::bfloat16, 1), 0.154, 0.0005);
  EXPECT_NEAR(share_of(dtype::int8, 1), 0.299, 0.0005);
  EXPECT_EQ(cache_layout::of(sizes = {.nheads = 128,
                                      .dim = 64,
                                      .dstate = 128,
                                      .ngroups = 8,
                                      .checkpoint_interval = 16})
                .ring_bytes(),
            323'584);
  EXPECT_NEAR(share_of(dtype::bfloat16, 4), 0.208, 0.0005);
  EXPECT_NEAR(share_of(dtype::int8, 4), 0.403, 0.0005);
  sizes.checkpoint_interval = 0;
  EXPECT_EQ(cache_layout::of(sizes).ring_bytes(), 0);
  EXPECT_EQ(cache_layout::of(sizes).ring_rows(), 0);
  EXPECT_FALSE(cache_layout::of(sizes).view(nullptr, 3).x_ring);
}

/** What is wrong with sizes, options, pool, slots or layer. */
std::string refused(const std::function<void()>& call) {
  try {
    call();
  } catch (const invalid_argument& error) {
    return error.argument();
  }
  return "nothing";
}

TEST(cache_layout, of_bad_sizes_is_refused_by_name) {
  constexpr cache_sizes good{.nheads = 4,
                             .dim = 8,
                             .dstate = 16,
                             .ngroups = 2,
                             .checkpoint_interval = 16,
                             .max_seqlen = 4};
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const auto with = [&](auto change) {
    cache_sizes sizes = good;
    cache_layout_options options;
    change(sizes, options);
    return refused([&] { static_cast<void>(cache_layout::of(sizes, options)); });
  };
  using sizes = cache_sizes;
  using options = cache_layout_options;
  EXPECT_EQ(with([](sizes&, options&) {}), "nothing");
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, most}) {
    EXPECT_EQ(with([&](sizes& s, options&) { s.nheads = bad; }), "nheads");
    EXPECT_EQ(with([&](sizes& s, options&) { s.dim = bad; }), "dim");
    EXPECT_EQ(with([&](sizes& s, options&) { s.dstate = bad; }), "dstate");
    EXPECT_EQ(with([&](sizes& s, options&) { s.ngroups = bad; }), "ngroups");
    EXPECT_EQ(with([&](sizes& s, options&) { s.max_seqlen = bad; }), "max_seqlen");
    EXPECT_EQ(with([&](sizes&, options& o) { o.layers = bad; }), "layers");
    EXPECT_EQ(with([&](sizes&, options& o) { o.slot_alignment = bad; }), "slot_alignment");
  }
  EXPECT_EQ(with([](sizes& s, options&) { s.ngroups = 3; }), "ngroups");
  EXPECT_EQ(with([](sizes& s, options&) { s.dstate = 257; }), "dstate");
  EXPECT_EQ(with([](sizes& s, options&) { s.state_dtype = dtype::int32; }), "state_dtype");
  EXPECT_EQ(with([](sizes& s, options&) { s.x_dtype = dtype::int8; }), "x_dtype");
  EXPECT_EQ(with([](sizes& s, options&) { s.B_dtype = static_cast<dtype>(77); }), "B_dtype");
  for (const std::int64_t interval : {std::int64_t{-1}, std::int64_t{3}, std::int64_t{65}, most})
    EXPECT_EQ(with([&](sizes& s, options&) { s.checkpoint_interval = interval; }),
              "checkpoint_interval");
  for (const std::int64_t rows : {std::int64_t{-1}, std::int64_t{22}, std::int64_t{129}, most})
    EXPECT_EQ(with([&](sizes&, options& o) { o.ring_rows = rows; }), "ring_rows");
  EXPECT_EQ(with([](sizes& s, options& o) {
              s.checkpoint_interval = 0;
              o.ring_rows = 23;
            }),
            "ring_rows");
  EXPECT_EQ(with([](sizes&, options& o) { o.slot_alignment = 128; }), "slot_alignment");

  const cache_layout layout = cache_layout::of(good, {.layers = 2});
  arena pool{static_cast<std::size_t>(layout.slot_bytes())};
  EXPECT_EQ(refused([&] { static_cast<void>(layout.view(pool.data() + 16, 1)); }), "pool");
  EXPECT_EQ(refused([&] {
              static_cast<void>(layout.view(reinterpret_cast<void*>(~std::uintptr_t{255}), 1));
            }),
            "pool");
  for (const std::int64_t bad : {std::int64_t{-1}, most})
    EXPECT_EQ(refused([&] { static_cast<void>(layout.view(pool.data(), bad)); }), "slots");
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{2}, most})
    EXPECT_EQ(refused([&] { static_cast<void>(layout.view(pool.data(), 1, bad)); }), "layer");
}

// --- Steps on it ---------------------------------------------------------------------------------

constexpr std::int64_t slots = 4, nheads = 4, dim = 8, dstate = 16, ngroups = 2, batch = 2,
                       interval = 4;

/** What the prologue of a pipeline does for each of its sequences, of one token a step. */
ring_plan_row advance(ring_cursor& cursor, std::int64_t ring_rows, std::int32_t slot) {
  const std::int32_t count = cursor.count + cursor.pending;
  constexpr auto W = static_cast<std::int32_t>(interval);
  const std::int32_t due = W - cursor.position % W;
  const std::int32_t flush = count >= due ? due : 0;
  const ring_plan_row row{cursor.start, count, flush, 1, 1, slot, cursor.position + flush, 0};
  const auto rows = static_cast<std::int32_t>(ring_rows);
  cursor = {(cursor.start + flush) % rows, count - flush, 1, cursor.position + flush};
  return row;
}

/** Steps of two sequences on `cache` from loaded states: all outputs, and the checkpoints behind
 *  them. */
std::vector<double> decoded(const cache_view& cache) {
  constexpr int steps = 11;
  random_engine engine{base_seed()};
  std::array<float, batch * nheads * dim * dstate> dense{};
  std::ranges::generate(dense, [&] { return static_cast<float>(uniform(engine, -1, 1)); });
  const std::vector<tensor_view> states{
      {dense.data(), dtype::float32, {batch, nheads, dim, dstate}}};
  const std::array<std::int32_t, batch> indices{3, 1};
  const slot_list list{tensor_view{indices.data(), dtype::int32, {batch}}};
  load_slots(std::array{cache}, states, list, nullptr);

  arena_layout layout;
  std::array x_B{layout.add(cache.x_ring.dtype(), {batch, nheads, dim}),
                 layout.add(cache.B_ring.dtype(), {batch, ngroups, dstate})};
  arena memory{layout.bytes()};
  for (tensor_view& each : x_B)
    each = moved(each, memory.data());
  std::array<float, batch * nheads> dt{};
  std::array<float, nheads> A{};
  std::array<float, batch * ngroups * dstate> C{};
  std::array<float, batch * nheads * dim> out{};
  std::array<ring_plan_row, batch> plan{};
  std::ranges::generate(A, [&] { return static_cast<float>(uniform(engine, -2, -0.1)); });
  ssu_args args;
  args.state = cache.state;
  args.state_scale = cache.state_scale;
  args.x_ring = cache.x_ring;
  args.B_ring = cache.B_ring;
  args.dt_ring = cache.dt_ring;
  args.checkpoint_interval = interval;
  args.x = x_B[0];
  args.B = x_B[1];
  args.dt = tensor_view{dt.data(), dtype::float32, {batch, nheads, dim}, {nheads, 1, 0}};
  args.A = tensor_view{A.data(), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
  args.C = tensor_view{C.data(), dtype::float32, {batch, ngroups, dstate}};
  args.out = tensor_view{out.data(), dtype::float32, {batch, nheads, dim}};
  args.state_batch_indices = list.indices;
  args.null_block_id = -1;
  args.ring_plan = tensor_view{plan.data(), dtype::int32, {batch, 8}};
  ssu_dispatch dispatch{mamba_config{.backend = "reference"}};
  std::array<ring_cursor, batch> cursors{};
  std::vector<double> results;
  for (int step = 0; step < steps; ++step) {
    for (const tensor_view& each : x_B)
      for_each_element(each, [&](std::byte* at, std::int64_t) {
        store(at, each.dtype(), uniform(engine, -1, 1));
      });
    std::ranges::generate(dt, [&] { return static_cast<float>(uniform(engine, 0, 0.5)); });
    std::ranges::generate(C, [&] { return static_cast<float>(uniform(engine, -1, 1)); });
    for (std::size_t i = 0; i < cursors.size(); ++i)
      plan[i] = advance(cursors[i], cache.x_ring.extent(2), indices[i]);
    dispatch.selective_state_update(args, nullptr);
    results.insert(results.end(), out.begin(), out.end());
  }
  store_slots(std::array{cache}, list, states, nullptr);
  results.insert(results.end(), dense.begin(), dense.end());
  return results;
}

/** `cache` in dense tensors, each for itself. */
cache_view apart(cache_view cache, arena& memory) {
  arena_layout layout;
  const std::array members{&cache_view::state, &cache_view::state_scale, &cache_view::x_ring,
                           &cache_view::B_ring, &cache_view::dt_ring};
  for (const auto member : members) {
    tensor_view& each = cache.*member;
    if (each) each = layout.add(each.dtype(), {each.extents().begin(), each.extents().end()});
  }
  memory = arena{layout.bytes()};
  for (const auto member : members)
    cache.*member = moved(cache.*member, memory.data());
  return cache;
}

TEST(cache_layout, is_stepped_on_as_tensors_apart_are) {
  for (const dtype format : all_formats) {
    SCOPED_TRACE(to_string(format));
    const cache_layout layout = cache_layout::of({.nheads = nheads,
                                                  .dim = dim,
                                                  .dstate = dstate,
                                                  .ngroups = ngroups,
                                                  .state_dtype = format,
                                                  .x_dtype = dtype::bfloat16,
                                                  .B_dtype = dtype::float16,
                                                  .checkpoint_interval = interval},
                                                 {.layers = 3});
    arena pool{static_cast<std::size_t>(slots * layout.slot_bytes())};
    arena before = pool;
    const cache_view cache = layout.view(pool.data(), slots, 1);
    arena other;
    EXPECT_EQ(decoded(cache), decoded(apart(cache, other)));
    for (const std::int64_t layer : {0, 2}) {
      for (const tensor_view& each : tensors_of(layout.view(pool.data(), slots, layer)))
        for_each_element(each, [&](const std::byte* at, std::int64_t) {
          EXPECT_EQ(std::memcmp(at, before.data() + (at - pool.data()),
                                static_cast<std::size_t>(size_of(each.dtype()))),
                    0);
        });
    }
  }
}

TEST(cache_layout, of_all_layers_takes_slot_operations) {
  const cache_layout layout = cache_layout::of({.nheads = nheads,
                                                .dim = dim,
                                                .dstate = dstate,
                                                .ngroups = ngroups,
                                                .state_dtype = dtype::int8,
                                                .checkpoint_interval = interval},
                                               {.layers = 5});
  arena pool{static_cast<std::size_t>(slots * layout.slot_bytes())};
  std::array<ring_cursor, slots> cursors{};
  cursors.fill({1, 2, 3, 4});
  std::vector<cache_view> caches;
  for (std::int64_t layer = 0; layer < 5; ++layer) {
    cache_view& cache = caches.emplace_back(layout.view(pool.data(), slots, layer));
    cache.ring_cursor = tensor_view{cursors.data(), dtype::int32, {slots, 4}};
  }
  std::array<float, nheads * dim * dstate> dense{};
  dense.fill(0.5f);
  const std::vector<tensor_view> states(
      caches.size(), tensor_view{dense.data(), dtype::float32, {1, nheads, dim, dstate}});
  const std::int32_t two = 2, seven = 7;
  const tensor_view list{&two, dtype::int32, {1}};
  load_slots(caches, states, list, tensor_view{&seven, dtype::int32, {1}}, nullptr);
  EXPECT_EQ(cursors[2], (ring_cursor{0, 0, 0, 7}));
  for (const cache_view& cache : caches)
    EXPECT_EQ(std::to_integer<int>(*address_of(cache.state, 2, 0, 0, 0)), 127);
  reset_slots(caches, list, nullptr);
  EXPECT_EQ(cursors[2], ring_cursor{});
  EXPECT_EQ(cursors[1], (ring_cursor{1, 2, 3, 4}));
  for (const cache_view& cache : caches)
    EXPECT_EQ(std::to_integer<int>(*address_of(cache.state, 2, 3, 7, 15)), 0);
}

}  // namespace
}  // namespace ssugraph::test
