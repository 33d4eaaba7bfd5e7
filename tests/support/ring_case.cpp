#include "tests/support/ring_case.hpp"

#include "lib/core/alignment.hpp"
#include "tests/support/float_format.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <numeric>
#include <sstream>

namespace ssugraph::test {
namespace {

using sizes = std::vector<std::int64_t>;

constexpr std::int64_t guard_slots = 2;

template <class Value>
Value one_of(random_engine& engine, std::initializer_list<Value> values) {
  return *(values.begin() + pick(engine, 0, static_cast<std::int64_t>(values.size()) - 1));
}

/** Axes in any order, with gaps; dense in order if not `strided`. */
tensor_view place(arena_layout& layout, dtype type, const sizes& extents, bool strided,
                  random_engine& engine) {
  if (!strided) return layout.add(type, extents);
  std::vector<std::size_t> order(extents.size());
  std::iota(order.begin(), order.end(), 0);
  if (chance(engine, 0.5)) std::shuffle(order.begin(), order.end(), engine);
  sizes strides(extents.size());
  std::int64_t stride = chance(engine, 0.2) ? 2 : 1;
  for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
    strides[*axis] = chance(engine, 0.1) ? -stride : stride;
    stride = stride * extents[*axis] + (chance(engine, 0.4) ? pick(engine, 1, 9) : 0);
  }
  return layout.add(type, extents, strides, chance(engine, 0.5) ? pick(engine, 1, 7) : 0);
}

/** Tensors of a slot one behind the other. */
class slot_layout {
 public:
  explicit slot_layout(bool aligned) : unit_{aligned ? 16 : 4} {}

  /** Dense, slots in front; where it begins in each is the address. */
  tensor_view add(dtype type, const sizes& extents) {
    const std::int64_t begin = end_;
    const tensor_view dense{reinterpret_cast<const void*>(begin), type, std::span{extents}};
    const std::int64_t bytes = dense.size() / extents[0] * size_of(type);
    end_ = detail::aligned(begin + bytes, unit_);
    return dense;
  }

  /** The tensor in a pool of such slots. */
  [[nodiscard]] tensor_view in(const tensor_view& pool, const tensor_view& tensor) const {
    sizes strides{tensor.strides().begin(), tensor.strides().end()};
    strides[0] = end_ / size_of(tensor.dtype());
    return {static_cast<std::byte*>(pool.data()) + reinterpret_cast<std::intptr_t>(tensor.data()),
            tensor.dtype(), tensor.extents(), std::span<const std::int64_t>{strides}};
  }

  [[nodiscard]] std::int64_t bytes() const { return end_; }

 private:
  std::int64_t unit_;
  std::int64_t end_ = 0;
};

void fill(const tensor_view& tensor, double value) {
  for_each_element(tensor, [&](std::byte* address) { store(address, tensor.dtype(), value); });
}

void put_row(const tensor_view& table, std::int64_t i, const std::int32_t* values) {
  for (std::int64_t column = 0; column < table.extent(1); ++column)
    store_index(address_of(table, i, column), dtype::int32, values[column]);
}

}  // namespace

tensor_view slot_of(const tensor_view& tensor, std::int64_t slot) {
  auto* start = static_cast<std::byte*>(tensor.data());
  return tensor.at(start + slot * tensor.stride(0) * size_of(tensor.dtype())).with_extent(0, 1);
}

std::string to_string(const ring_spec& spec) {
  std::ostringstream text;
  text << "rings W " << spec.interval << " R " << spec.sizes().rows << ' '
       << std::array{"apart", "strided", "in-slot"}[static_cast<std::size_t>(spec.rings)]
       << (spec.has_accepted ? " accepted" : "") << (spec.has_key ? " key" : "") << "; "
       << to_string(spec.call);
  return text.str();
}

ring_spec ring_spec_of(ssu_mode mode) {
  ring_spec spec;
  spec.call.mode = mode;
  spec.call.batch = 5;
  spec.call.capacity = 7;
  spec.call.max_seqlen = mode == ssu_mode::plain ? 1 : 4;
  spec.call.has_cu_seqlens = mode != ssu_mode::plain;
  spec.call.nheads = 4;
  spec.call.ngroups = 2;
  spec.call.dim = 16;
  spec.call.dstate = 32;
  spec.has_accepted = mode != ssu_mode::plain;
  return spec;
}

ring_spec random_ring_spec(random_engine& engine) {
  ring_spec spec;
  case_spec& call = spec.call;
  do {
    call = random_spec(engine);
  } while (call.mode == ssu_mode::speculative);
  call.tied = true;
  call.has_dst = call.has_dst_state = false;
  call.capacity = call.batch + pick(engine, 0, 2);
  if (call.mode == ssu_mode::varlen)
    call.max_seqlen = one_of<std::int64_t>(engine, {1, 2, 4, 5, 16});
  spec.interval = std::max(call.max_seqlen, one_of<std::int64_t>(engine, {1, 3, 4, 8, 16, 16, 64}));
  spec.spare_rows = one_of<std::int64_t>(engine, {0, 0, 1, 18});
  spec.rings = one_of(engine, {ring_place::apart, ring_place::strided, ring_place::in_slot});
  spec.has_accepted = chance(engine, 0.6);
  spec.has_key = chance(engine, 0.3);
  constexpr std::int64_t budget = 40'000;  // elements of state
  while (call.nheads * call.dim * call.dstate * (call.capacity + 4) > budget) {
    std::int64_t& largest = call.dim > call.dstate ? call.dim : call.dstate;
    largest = (largest + 1) / 2;
  }
  call.aligned = call.aligned && call.dstate % 8 == 0;
  call.dim_innermost = call.aligned && call.dim_innermost;
  return spec;
}

ring_case::ring_case(const ring_spec& spec, random_engine& engine) : spec_{spec} {
  case_spec& call = spec_.call;
  call.slots = 1 + call.capacity + 1 + guard_slots;
  test_ = make_case(call, engine);
  test_.name = to_string(spec_);
  place_rings(engine);
  const std::int64_t numbered = call.has_indices ? call.slots - guard_slots : call.capacity;
  for (std::int64_t slot = 0; slot < numbered; ++slot) {
    if (!call.has_indices || slot != call.null_block_id) slots_.push_back(slot);
  }
}

void ring_case::place_rings(random_engine& engine) {
  const case_spec& call = spec_.call;
  const std::int64_t rows = spec_.sizes().rows;
  const sizes x_ring{call.slots, call.nheads, rows, call.dim};
  const sizes B_ring{call.slots, call.ngroups, rows, call.dstate};
  const sizes dt_ring{call.slots, call.nheads, rows};
  arena_layout layout;
  const arena old = test_.memory;
  const tensor_view before = layout.add(dtype::int8, {static_cast<std::int64_t>(old.size())});
  test_.layout = relocate(test_.layout, static_cast<std::byte*>(before.data()));
  ssu_args& args = test_.layout;
  const dtype x_type = args.x.dtype();
  const dtype B_type = args.B.dtype();
  if (spec_.rings == ring_place::in_slot && !call.dim_innermost) {
    slot_layout slot{call.aligned};
    const tensor_view state =
        slot.add(call.state_dtype, {call.slots, call.nheads, call.dim, call.dstate});
    const tensor_view scale = slot.add(dtype::float32, {call.slots, call.nheads, call.dim});
    const std::array rings{slot.add(x_type, x_ring), slot.add(B_type, B_ring),
                           slot.add(dtype::float32, dt_ring)};
    const tensor_view pool = layout.add(dtype::int8, {call.slots * slot.bytes()});
    args.state = slot.in(pool, state);
    if (is_scaled(call.state_dtype)) args.state_scale = slot.in(pool, scale);
    args.x_ring = slot.in(pool, rings[0]);
    args.B_ring = slot.in(pool, rings[1]);
    args.dt_ring = slot.in(pool, rings[2]);
  } else {
    const bool strided = spec_.rings == ring_place::strided;
    args.x_ring = place(layout, x_type, x_ring, strided, engine);
    args.B_ring = place(layout, B_type, B_ring, strided, engine);
    args.dt_ring = place(layout, dtype::float32, dt_ring, strided, engine);
  }
  const std::int64_t gap = spec_.rings == ring_place::apart ? 0 : 4 * pick(engine, 0, 2);
  args.ring_cursor = layout.add(dtype::int32, {call.slots, 4}, {4 + gap, 1});
  args.ring_plan = layout.add(dtype::int32, {call.capacity, 8}, {8 + gap, 1});
  if (spec_.has_key) args.rounding_key = layout.add(dtype::int64, {call.slots}, {1 + gap});
  if (spec_.has_accepted)
    args.num_accepted_tokens = layout.add(call.count_dtype, {call.capacity}, {1 + gap});
  args.checkpoint_interval = spec_.interval;
  args.max_seqlen = call.max_seqlen;
  if (call.omit_axes && call.nheads == 1 && chance(engine, 0.5)) {
    args.x_ring = without_axis(args.x_ring, 1);
    args.dt_ring = without_axis(args.dt_ring, 1);
  }
  if (call.omit_axes && call.ngroups == 1 && chance(engine, 0.5))
    args.B_ring = without_axis(args.B_ring, 1);
  test_.memory = arena{layout.bytes()};
  std::copy_n(old.data(), old.size(),
              test_.memory.data() + reinterpret_cast<std::uintptr_t>(before.data()));
  const ssu_args here = this->args();
  fill_states(here.state, here.state_scale, engine);
  if (!here.rounding_key) return;
  for_each_element(here.rounding_key, [&](std::byte* address) {
    store_index(address, dtype::int64, static_cast<std::int64_t>(engine()));
  });
}

ring_cursor ring_case::admit(std::int64_t slot, std::int64_t position, random_engine& engine) {
  const ssu_args here = args();
  const tensor_view scale = here.state_scale ? slot_of(here.state_scale, slot) : tensor_view{};
  fill_states(slot_of(here.state, slot), scale, engine);
  const ring_cursor cursor{
      .start = static_cast<std::int32_t>(pick(engine, 0, spec_.sizes().rows - 1)),
      .position = static_cast<std::int32_t>(position)};
  put_row(here.ring_cursor, slot, &cursor.start);
  return cursor;
}

void ring_case::next_step(std::int64_t batch, random_engine& engine) {
  const case_spec& call = spec_.call;
  std::vector<std::int64_t> slots = slots_;
  if (call.has_indices) std::shuffle(slots.begin(), slots.end(), engine);
  slots.resize(static_cast<std::size_t>(batch));
  std::vector<std::int64_t> lengths(slots.size(), 1);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (call.null_sequences && chance(engine, 0.2)) slots[i] = -1;
    if (call.has_cu_seqlens) lengths[i] = pick(engine, 0, call.max_seqlen);
  }
  next_step(slots, lengths, engine);
}

void ring_case::next_step(const std::vector<std::int64_t>& slots,
                          const std::vector<std::int64_t>& lengths, random_engine& engine) {
  const case_spec& call = spec_.call;
  const ssu_args here = args();
  test_.batch = std::ssize(slots);
  std::int64_t end = 0;
  for (std::int64_t i = 0; i <= call.capacity; ++i) {
    const auto place = static_cast<std::size_t>(i);
    const bool live = i < test_.batch;
    if (here.cu_seqlens) store_index(address_of(here.cu_seqlens, i), call.count_dtype, end);
    if (i == test_.batch) test_.live_rows = end;
    end += live ? lengths[place] : call.max_seqlen;
    if (i == call.capacity) break;
    if (here.num_accepted_tokens) accept(i, pick(engine, 0, call.max_seqlen));
    if (!here.state_batch_indices) continue;
    const std::int64_t null =
        one_of<std::int64_t>(engine, {call.null_block_id, call.slots + 3, -7});
    const std::int64_t slot = !live ? call.slots - 1 : slots[place] < 0 ? null : slots[place];
    const tensor_view& table = here.state_batch_indices;
    store_index(table.rank() == 1 ? address_of(table, i) : address_of(table, i, 0), table.dtype(),
                slot);
  }
  fill_inputs(engine);
}

void ring_case::accept(std::int64_t i, std::int64_t count) {
  const tensor_view accepted = args().num_accepted_tokens;
  store_index(address_of(accepted, i), accepted.dtype(), count);
}

void ring_case::fill_inputs(random_engine& engine) {
  const ssu_args here = args();
  const bool softplus = here.dt_softplus;
  const double longest = chance(engine, 0.05) ? 120 : 2;
  fill(here.out, std::numeric_limits<double>::quiet_NaN());
  for (const auto& [member, low, high] :
       {std::tuple{&ssu_args::x, -2.0, 2.0}, std::tuple{&ssu_args::B, -1.0, 1.0},
        std::tuple{&ssu_args::C, -1.0, 1.0}, std::tuple{&ssu_args::z, -4.0, 4.0},
        std::tuple{&ssu_args::dt, softplus ? -4.0 : 0.001, softplus ? longest : 1.0}}) {
    const tensor_view& tensor = here.*member;
    if (!tensor) continue;
    fill(tensor, std::numeric_limits<double>::quiet_NaN());
    for_each_element(tensor.with_extent(0, test_.live_rows), [&, low = low, high = high](auto* at) {
      store(at, tensor.dtype(), uniform(engine, low, high));
    });
  }
}

void ring_case::put_plan(const std::vector<ring_plan_row>& plan, dead_rows dead,
                         random_engine& engine) {
  const ssu_args here = with_all_axes(args());
  const std::int64_t rows = spec_.sizes().rows;
  for (std::int64_t i = 0; i < here.ring_plan.extent(0); ++i) {
    const bool live = i < std::ssize(plan);
    ring_plan_row row = live ? plan[static_cast<std::size_t>(i)] : ring_plan_row{0, 1, 1, 1, 1};
    const auto beyond = static_cast<std::int32_t>(spec_.call.slots);
    if (!live) row.slot = beyond - 1;
    if (live && row.slot < 0) row.slot = one_of(engine, {-1, beyond, beyond + 1000});
    put_row(here.ring_plan, i, &row.start);
    if (!live || row.slot >= beyond || row.slot < 0 || dead == dead_rows::leftovers) continue;
    for (const tensor_view& ring : {here.x_ring, here.B_ring, here.dt_ring}) {
      const double largest = format_of(ring.dtype()).largest();
      const double value = dead == dead_rows::nan        ? std::numeric_limits<double>::quiet_NaN()
                           : dead == dead_rows::infinity ? std::numeric_limits<double>::infinity()
                                                         : largest;
      const int axis = 2;
      for (std::int64_t j = row.count; j < rows; ++j) {
        const std::int64_t at = (row.start + j) % rows;
        const tensor_view all = slot_of(ring, row.slot);
        fill(all.at(static_cast<std::byte*>(all.data()) +
                    at * all.stride(axis) * size_of(all.dtype()))
                 .with_extent(axis, 1),
             value);
      }
    }
  }
}

}  // namespace ssugraph::test
