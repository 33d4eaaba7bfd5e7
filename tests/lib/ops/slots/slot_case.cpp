#include "tests/lib/ops/slots/slot_case.hpp"

#include "tests/support/float_format.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

namespace ssugraph::test {
namespace {

constexpr std::array dense_dtypes{dtype::float32, dtype::float16, dtype::bfloat16};

std::vector<std::int64_t> random_strides(const std::vector<std::int64_t>& extents,
                                         random_engine& engine) {
  std::vector<std::size_t> order(extents.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::reverse(order);  // the last axis is innermost
  if (chance(engine, 0.3)) std::ranges::shuffle(order, engine);
  std::vector<std::int64_t> strides(extents.size());
  std::int64_t run = chance(engine, 0.8) ? 1 : 3;
  for (const std::size_t axis : order) {
    strides[axis] = run * (chance(engine, 0.2) ? -1 : 1);
    run *= extents[axis];
    if (chance(engine, 0.3)) run += chance(engine, 0.5) ? 16 : pick(engine, 1, 5);
  }
  return strides;
}

tensor_view add_random(arena_layout& layout, dtype type, const std::vector<std::int64_t>& extents,
                       random_engine& engine) {
  if (chance(engine, 0.4)) return layout.add(type, extents);
  return layout.add(type, extents, random_strides(extents, engine), pick(engine, 0, 3));
}

slot_shape random_shape(random_engine& engine) {
  constexpr std::array dstates{1, 7, 8, 16, 24, 64, 100, 128, 200, 256};
  return {pick(engine, 7, 9), pick(engine, 1, 3), pick(engine, 1, 37),
          dstates[static_cast<std::size_t>(pick(engine, 0, std::ssize(dstates) - 1))]};
}

/** A row whose magnitudes differ: of zeros, of tiny numbers, with a NaN or an infinity, or of what
 *  `type` can hold. */
void fill_row(const tensor_view& dense, std::int64_t i, std::int64_t head, std::int64_t d,
              random_engine& engine) {
  const std::int64_t kind = pick(engine, 0, 19);
  const bool is_wide = dense.dtype() != dtype::float16;
  const double scale =
      std::ldexp(1.0, static_cast<int>(is_wide ? pick(engine, -60, 60) : pick(engine, -10, 10)));
  const std::int64_t odd = pick(engine, 0, dense.extent(3) - 1);
  for (std::int64_t n = 0; n < dense.extent(3); ++n) {
    double value = uniform(engine, -1, 1) * scale;
    if (kind == 0) value = n % 2 == 0 ? 0.0 : -0.0;
    if (kind == 1 && is_wide) value = uniform(engine, -1, 1) * 0x1p-101;
    if (kind == 2 && n == odd) value = std::numeric_limits<double>::quiet_NaN();
    if (kind == 3 && n == odd) value = -std::numeric_limits<double>::infinity();
    if (kind == 4)
      value = std::ldexp(static_cast<double>(n % 3 - 1), -static_cast<int>(n % 12));  // ties
    store(address_of(dense, i, head, d, n), dense.dtype(), value);
  }
}

void for_each_row(const tensor_view& tensor,
                  const std::function<void(std::int64_t, std::int64_t)>& use) {
  for (std::int64_t head = 0; head < tensor.extent(1); ++head) {
    for (std::int64_t d = 0; d < tensor.extent(2); ++d)
      use(head, d);
  }
}

double greatest_code(dtype type) {
  if (type == dtype::int8) return 127;
  return type == dtype::int16 ? 32767 : 448;
}

/** Distance of neighbouring codes around `v`. */
double spacing_at(dtype type, double v) {
  if (type != dtype::float8_e4m3) return 1;
  return std::ldexp(1.0, std::max(v == 0 ? -6 : std::ilogb(v), -6) - 3);
}

double code_at(const void* address, dtype type) {
  if (type == dtype::int16) {
    std::int16_t code = 0;
    std::memcpy(&code, address, sizeof code);
    return code;
  }
  std::uint8_t bits = 0;
  std::memcpy(&bits, address, sizeof bits);
  if (type == dtype::int8) return static_cast<std::int8_t>(bits);
  const int exponent = bits >> 3 & 15;
  const double mantissa = bits & 7;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return bits >> 7 != 0 ? -magnitude : magnitude;
}

bool is_code_of(double code, double v, dtype type) {
  const double unit = spacing_at(type, v);
  const double slack = unit / 2 + std::ldexp(greatest_code(type), -18);
  return std::abs(code - v) <= slack &&
         (std::abs(code - v) <= unit / 2 || std::abs(code) <= greatest_code(type));
}

/** Cursors, and the most slots of the layers that have each. */
std::vector<tensor_view> cursors_of(const slot_case& test) {
  std::vector<tensor_view> cursors;
  for (const auto& [cache, dense] : test.layers) {
    if (!cache.ring_cursor) continue;
    const std::int64_t slots = cache.state.extent(0);
    const auto found = std::ranges::find(cursors, cache.ring_cursor.data(), &tensor_view::data);
    if (found == cursors.end()) {
      cursors.push_back(cache.ring_cursor.with_extent(0, slots));
    } else {
      *found = found->with_extent(0, std::max(found->extent(0), slots));
    }
  }
  return cursors;
}

void add_rings(arena_layout& layout, cache_view& cache, const tensor_view& cursor,
               const std::function<tensor_view(dtype, const std::vector<std::int64_t>&)>& add,
               random_engine& engine) {
  const auto pick_dtype = [&] {
    return dense_dtypes[static_cast<std::size_t>(pick(engine, 0, std::ssize(dense_dtypes) - 1))];
  };
  const tensor_view& state = cache.state;
  const std::int64_t slots = state.extent(0);
  const std::int64_t nheads = state.extent(1);
  const std::int64_t rows = pick(engine, 1, 20);
  cache.x_ring = add(pick_dtype(), {slots, nheads, rows, state.extent(2)});
  cache.B_ring =
      add(pick_dtype(), {slots, chance(engine, 0.5) ? 1 : nheads, rows, state.extent(3)});
  cache.dt_ring = add(dtype::float32, {slots, nheads, rows});
  if (chance(engine, 0.8)) cache.ring_cursor = cursor;
  if (chance(engine, 0.5)) cache.rounding_key = layout.add(dtype::int64, {slots});
}

std::int64_t random_position(dtype type, random_engine& engine) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() - 64;
  constexpr std::array bad{std::int64_t{-1}, most + 1, std::int64_t{1} << 32,
                           std::numeric_limits<std::int64_t>::min()};
  constexpr std::array good{std::int64_t{0}, std::int64_t{1}, std::int64_t{4711}, most};
  const bool is_bad = chance(engine, 0.25);
  const auto which = static_cast<std::size_t>(pick(engine, 0, type == dtype::int64 ? 3 : 1));
  return (is_bad ? bad : good)[which];
}

/** What differs between two floats of a format; NaN are equal. */
bool is_same(const void* address, dtype type, double wanted) {
  const double found = load(address, type);
  if (std::isnan(wanted)) return std::isnan(found);
  std::byte bits[4];
  store(bits, type, wanted);
  return std::memcmp(address, bits, static_cast<std::size_t>(size_of(type))) == 0;
}

/** The scale that a row must have, and the factor of its codes. */
struct row_scales {
  float encode = 0;
  float decode = 0;
};

row_scales scales_of(std::span<const double> row, dtype type) {
  double greatest = 0;
  for (const double h : row) {
    if (!std::isfinite(h)) return {0, std::numeric_limits<float>::quiet_NaN()};
    greatest = std::max(greatest, std::abs(h));
  }
  if (greatest < 0x1p-100) return {};
  const auto encode = static_cast<float>(greatest_code(type) / greatest);
  return {encode, static_cast<float>(1.0 / encode)};
}

bool is_same_float(float a, float b) {
  return std::isnan(a) ? std::isnan(b)
                       : std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

std::vector<double> row_of(const tensor_view& tensor, std::int64_t i, std::int64_t head,
                           std::int64_t d) {
  std::vector<double> row;
  row.reserve(static_cast<std::size_t>(tensor.extent(3)));
  for (std::int64_t n = 0; n < tensor.extent(3); ++n)
    row.push_back(load(address_of(tensor, i, head, d, n), tensor.dtype()));
  return row;
}

/** Takes bytes that may have been written from `after` to `before`. */
void accept(const std::byte* written, arena& after, arena& before, std::int64_t bytes) {
  std::memcpy(before.data() + (written - after.data()), written, static_cast<std::size_t>(bytes));
}

/** A row of dstate, of an entry that is not skipped. */
struct row_of_entry {
  const slot_layer_case& layer;
  std::int64_t entry;
  std::int64_t slot;
  std::int64_t head;
  std::int64_t d;
};

std::string place_of(const row_of_entry& at, std::int64_t n) {
  return "(" + std::to_string(at.head) + ", " + std::to_string(at.d) + ", " + std::to_string(n) +
         ")";
}

/** Checks all rows; what is wrong with the first that is. */
std::string for_each_row(const slot_case& test,
                         const std::function<std::string(const row_of_entry&)>& check) {
  std::string first;
  for (std::size_t layer = 0; layer < test.layers.size(); ++layer) {
    const slot_layer_case& each = test.layers[layer];
    for (std::size_t i = 0; i < test.slots.size(); ++i) {
      const std::int64_t slot = test.live_slot(i, each.cache.state.extent(0));
      if (slot < 0) continue;
      for_each_row(each.cache.state, [&](std::int64_t head, std::int64_t d) {
        const std::string wrong = check({each, static_cast<std::int64_t>(i), slot, head, d});
        if (wrong.empty() || !first.empty()) return;
        first = "layer " + std::to_string(layer) + ", entry " + std::to_string(i) + ", " + wrong +
                " of " + to_string(each.cache.state) + " and " + to_string(each.dense);
      });
    }
  }
  return first;
}

}  // namespace

tensor_view moved(const tensor_view& tensor, std::byte* base) {
  if (!tensor) return {};
  return tensor.at(base + reinterpret_cast<std::uintptr_t>(tensor.data()));
}

std::vector<cache_view> slot_case::caches_at(std::byte* base) const {
  std::vector<cache_view> caches;
  caches.reserve(layers.size());
  for (const slot_layer_case& layer : layers) {
    cache_view& cache = caches.emplace_back(layer.cache);
    for (tensor_view* tensor : {&cache.state, &cache.state_scale, &cache.x_ring, &cache.B_ring,
                                &cache.dt_ring, &cache.ring_cursor, &cache.rounding_key})
      *tensor = moved(*tensor, base);
  }
  return caches;
}

std::vector<tensor_view> slot_case::states_at(std::byte* base) const {
  std::vector<tensor_view> states;
  states.reserve(layers.size());
  for (const slot_layer_case& layer : layers)
    states.push_back(moved(layer.dense, base));
  return states;
}

slot_list slot_case::slots_at(std::byte* base) const {
  return {moved(indices, base), null_block_id};
}

std::int64_t slot_case::live_slot(std::size_t i, std::int64_t count) const {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max() - 64;
  const bool has_position = !has_positions || (position_of[i] >= 0 && position_of[i] <= most);
  const bool is_live = slots[i] >= 0 && slots[i] < count && slots[i] != null_block_id;
  return has_position && is_live ? slots[i] : -1;
}

slot_case make_slot_case(std::span<const dtype> formats, int each,
                         const std::vector<std::int64_t>& slots, random_engine& engine,
                         const slot_shape* shape, double rings) {
  slot_case test;
  test.slots = slots;
  const auto count = static_cast<std::int64_t>(slots.size());
  arena_layout layout;
  const auto add = [&](dtype type, const std::vector<std::int64_t>& extents) {
    return shape != nullptr ? layout.add(type, extents) : add_random(layout, type, extents, engine);
  };
  constexpr std::int64_t most_slots = 9;
  const std::array cursors{layout.add(dtype::int32, {most_slots, 4}),
                           layout.add(dtype::int32, {most_slots, 4}, {12, 1}, 4),
                           layout.add(dtype::int32, {most_slots, 4}, {-8, 1})};
  for (int i = 0; i < each; ++i) {
    for (const dtype format : formats) {
      for (const dtype dense : dense_dtypes) {
        const auto [of, nheads, dim, dstate] = shape != nullptr ? *shape : random_shape(engine);
        slot_layer_case layer;
        layer.cache.state = add(format, {of, nheads, dim, dstate});
        if (is_scaled(format)) layer.cache.state_scale = add(dtype::float32, {of, nheads, dim});
        layer.dense = add(dense, {count, nheads, dim, dstate});
        if (rings > 0 && chance(engine, rings))
          add_rings(layout, layer.cache, cursors[static_cast<std::size_t>(pick(engine, 0, 2))], add,
                    engine);
        test.layers.push_back(layer);
      }
    }
  }
  test.indices = layout.add(chance(engine, 0.5) ? dtype::int32 : dtype::int64, {count}, {2});
  test.positions = layout.add(chance(engine, 0.5) ? dtype::int32 : dtype::int64, {count}, {3});
  test.memory = arena{layout.bytes()};
  std::byte* const base = test.memory.data();
  for (const slot_layer_case& layer : test.layers) {
    const tensor_view dense = moved(layer.dense, base);
    for (std::int64_t i = 0; i < count; ++i)
      for_each_row(dense,
                   [&](std::int64_t head, std::int64_t d) { fill_row(dense, i, head, d, engine); });
  }
  const tensor_view indices = moved(test.indices, base);
  for (std::size_t i = 0; i < slots.size(); ++i)
    store_index(address_of(indices, i), indices.dtype(), slots[i]);
  const tensor_view positions = moved(test.positions, base);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    test.position_of.push_back(random_position(positions.dtype(), engine));
    store_index(address_of(positions, i), positions.dtype(), test.position_of.back());
  }
  return test;
}

std::string wrong_cursors(const slot_case& test, arena& before, arena& after) {
  std::string first;
  for (const tensor_view& each : cursors_of(test)) {
    const tensor_view cursor = moved(each, after.data());
    for (std::size_t i = 0; i < test.slots.size(); ++i) {
      const std::int64_t slot = test.live_slot(i, cursor.extent(0));
      if (slot < 0) continue;
      const std::byte* const found = address_of(cursor, slot, 0);
      const std::array<std::int32_t, 4> wanted{
          0, 0, 0, test.has_positions ? static_cast<std::int32_t>(test.position_of[i]) : 0};
      if (std::memcmp(found, wanted.data(), sizeof wanted) != 0 && first.empty())
        first = "the cursor of entry " + std::to_string(i) + " is another";
      accept(found, after, before, sizeof wanted);
    }
  }
  return first;
}

std::string wrong_after_load(const slot_case& test, arena& before, arena& after) {
  std::string wrong = for_each_row(test, [&](const row_of_entry& at) {
    const tensor_view state = moved(at.layer.cache.state, after.data());
    const tensor_view scale = moved(at.layer.cache.state_scale, after.data());
    const dtype type = state.dtype();
    const std::vector<double> row =
        row_of(moved(at.layer.dense, before.data()), at.entry, at.head, at.d);
    const row_scales wanted = is_scaled(type) ? scales_of(row, type) : row_scales{};
    std::string first;
    for (std::int64_t n = 0; n < state.extent(3); ++n) {
      const std::byte* found = address_of(state, at.slot, at.head, at.d, n);
      const double h = row[static_cast<std::size_t>(n)];
      const bool is_right = !is_scaled(type) ? is_same(found, type, h)
                            : wanted.encode == 0.0f
                                ? code_at(found, type) == 0.0
                                : is_code_of(code_at(found, type), h * wanted.encode, type);
      if (!is_right && first.empty())
        first = place_of(at, n) + " is not " + std::to_string(h * wanted.encode);
      accept(found, after, before, size_of(type));
    }
    if (!scale) return first;
    const std::byte* found = address_of(scale, at.slot, at.head, at.d);
    float stored = 0;
    std::memcpy(&stored, found, sizeof stored);
    if (!is_same_float(stored, wanted.decode) && first.empty())
      first = "scale " + std::to_string(stored) + " is not " + std::to_string(wanted.decode);
    accept(found, after, before, sizeof stored);
    return first;
  });
  const std::string cursors = wrong_cursors(test, before, after);
  if (wrong.empty()) wrong = cursors;
  if (wrong.empty() && !(before == after)) wrong = "more than the slots was written";
  return wrong;
}

std::string wrong_after_store(const slot_case& test, arena& before, arena& after) {
  std::string wrong = for_each_row(test, [&](const row_of_entry& at) {
    const tensor_view state = moved(at.layer.cache.state, before.data());
    const tensor_view scale = moved(at.layer.cache.state_scale, before.data());
    const tensor_view dense = moved(at.layer.dense, after.data());
    const double factor =
        scale ? load(address_of(scale, at.slot, at.head, at.d), dtype::float32) : 0;
    std::string first;
    for (std::int64_t n = 0; n < state.extent(3); ++n) {
      const std::byte* kept = address_of(state, at.slot, at.head, at.d, n);
      const double h = scale ? static_cast<float>(code_at(kept, state.dtype()) * factor)
                             : load(kept, state.dtype());
      const std::byte* found = address_of(dense, at.entry, at.head, at.d, n);
      if (!is_same(found, dense.dtype(), h) && first.empty())
        first = place_of(at, n) + " is not " + std::to_string(h);
      accept(found, after, before, size_of(dense.dtype()));
    }
    return first;
  });
  if (wrong.empty() && !(before == after)) wrong = "more than the dense states was written";
  return wrong;
}

arena with_plain_nans(const slot_case& test, arena memory) {
  const auto settle = [&](const tensor_view& given) {
    const tensor_view tensor = moved(given, memory.data());
    if (!is_floating(tensor.dtype())) return;
    for (std::int64_t i = 0; i < tensor.extent(0); ++i)
      for_each_row(tensor, [&](std::int64_t head, std::int64_t d) {
        for (std::int64_t n = 0; n < tensor.extent(3); ++n) {
          std::byte* at = address_of(tensor, i, head, d, n);
          if (std::isnan(load(at, tensor.dtype())))
            store(at, tensor.dtype(), std::numeric_limits<double>::quiet_NaN());
        }
      });
  };
  for (const slot_layer_case& layer : test.layers) {
    settle(layer.cache.state);
    settle(layer.dense);
  }
  return memory;
}

}  // namespace ssugraph::test
