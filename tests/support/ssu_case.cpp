#include "tests/support/ssu_case.hpp"

#include "lib/core/alignment.hpp"
#include "lib/core/overlap.hpp"
#include "tests/support/code_format.hpp"
#include "tests/support/float_format.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>
#include <vector>

namespace ssugraph::test {
namespace {

using sizes = std::vector<std::int64_t>;

constexpr std::int64_t guard_slots = 2;

template <class Value>
Value one_of(random_engine& engine, std::initializer_list<Value> values) {
  return *(values.begin() + pick(engine, 0, static_cast<std::int64_t>(values.size()) - 1));
}

dtype random_float(random_engine& engine) {
  return one_of(engine, {dtype::float32, dtype::float16, dtype::bfloat16});
}

dtype random_scaled(random_engine& engine) {
  return one_of(engine, {dtype::int8, dtype::int16, dtype::float8_e4m3});
}

void visit_elements(const tensor_view& tensor, const std::function<void(std::byte*)>& visit,
                    int axis, std::int64_t offset) {
  if (axis == tensor.rank()) {
    return visit(static_cast<std::byte*>(tensor.data()) + offset * size_of(tensor.dtype()));
  }
  for (std::int64_t i = 0; i < tensor.extent(axis); ++i) {
    visit_elements(tensor, visit, axis + 1, offset + i * tensor.stride(axis));
  }
}

void fill_uniformly(const tensor_view& tensor, double low, double high, random_engine& engine) {
  for_each_element(tensor, [&](std::byte* address) {
    store(address, tensor.dtype(), uniform(engine, low, high));
  });
}

/** Builds the tensors of one case, then their contents. */
class case_maker {
 public:
  case_maker(const case_spec& spec, random_engine& engine) : spec_{spec}, engine_{engine} {}

  ssu_case make() {
    case_.batch = spec_.batch;
    case_.capacity = spec_.capacity;
    case_.max_seqlen = spec_.max_seqlen;
    case_.config.stochastic_rounding = spec_.stochastic_rounding;
    case_.config.philox_rounds = spec_.philox_rounds;
    case_.name = to_string(spec_);
    case_.random = {engine_(), engine_() >> pick(engine_, 8, 60)};
    slots_ = guard_slots + (spec_.has_indices
                                ? 1 + spec_.capacity * (spec_.has_dst ? 2 : 1) * spec_.max_seqlen
                                : spec_.capacity);
    if (spec_.slots > 0) slots_ = spec_.slots;
    place_floats();
    place_indices();
    case_.memory = arena{layout_.bytes()};
    args_ = case_.args_at(case_.memory.data());
    fill_indices();
    fill_floats();
    if (spec_.omit_axes) omit_axes();
    return std::move(case_);
  }

 private:
  std::int64_t rows() const { return spec_.capacity * spec_.max_seqlen; }

  /** Whole octets in whole 16 bytes. */
  static std::int64_t aligned_elements(dtype type) {
    return std::max<std::int64_t>(8, 16 / size_of(type));
  }

  /** Strides that keep elements apart: axes in any order, gaps, steps backwards. */
  sizes written_strides(dtype type, const sizes& extents) {
    std::vector<std::size_t> order(extents.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = i;
    if (!spec_.aligned && chance(engine_, 0.2)) std::shuffle(order.begin(), order.end(), engine_);
    sizes strides(extents.size());
    std::int64_t stride = !spec_.aligned && chance(engine_, 0.15) ? pick(engine_, 2, 3) : 1;
    for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
      strides[*axis] = stride;
      stride *= extents[*axis];
      if (chance(engine_, 0.3)) stride += spec_.aligned ? 8 : pick(engine_, 1, 5);
      if (spec_.aligned) stride = detail::aligned(stride, aligned_elements(type));
    }
    const auto backwards = static_cast<std::size_t>(pick(engine_, 0, 15));
    if (backwards + (spec_.aligned ? 1 : 0) < strides.size()) strides[backwards] *= -1;
    return strides;
  }

  tensor_view place(dtype type, const sizes& extents, const sizes& strides) {
    const bool off = !spec_.aligned && chance(engine_, 0.5);
    return layout_.add(type, extents, strides, off ? pick(engine_, 1, 7) : 0);
  }

  tensor_view place_written(dtype type, const sizes& extents) {
    return place(type, extents, written_strides(type, extents));
  }

  /** As written_strides, and now and then a broadcast. The axes from `tied_from` always are one. */
  tensor_view place_input(dtype type, const sizes& extents, std::size_t tied_from,
                          bool may_broadcast = true) {
    sizes dense = extents;
    for (std::size_t axis = tied_from; axis < dense.size(); ++axis)
      dense[axis] = 1;
    sizes strides = written_strides(type, dense);
    for (std::size_t axis = tied_from; axis < dense.size(); ++axis)
      strides[axis] = 0;
    if (may_broadcast && !spec_.aligned && chance(engine_, 0.1)) {
      strides[static_cast<std::size_t>(pick(engine_, 0, 1))] = 0;
    }
    return place(type, extents, strides);
  }

  dtype own_or_io(const std::optional<dtype>& own) const { return own.value_or(spec_.io_dtype); }

  /** Codes, then scales, in each slot. */
  void place_slots(tensor_view& state, tensor_view& scale) {
    const auto [nheads, dim, dstate] = std::array{spec_.nheads, spec_.dim, spec_.dstate};
    const std::int64_t size = size_of(spec_.state_dtype);
    constexpr std::int64_t scale_size = size_of(dtype::float32);
    const std::int64_t first = spec_.aligned ? 0 : pick(engine_, 0, 7) * size;
    const std::int64_t row =
        spec_.aligned ? detail::aligned(dstate, aligned_elements(spec_.state_dtype)) : dstate;
    const std::int64_t code_bytes = first + nheads * dim * row * size;
    const std::int64_t scale_at = detail::aligned(code_bytes, scale_size);
    const std::int64_t slot_bytes =
        detail::aligned(scale_at + nheads * dim * scale_size, spec_.aligned ? 16 : scale_size);
    const tensor_view pool = layout_.add(dtype::int8, {slots_ * slot_bytes});
    const auto* start = static_cast<std::byte*>(pool.data());
    state = {start + first,
             spec_.state_dtype,
             {slots_, nheads, dim, dstate},
             {slot_bytes / size, dim * row, row, 1}};
    scale = {
        start + scale_at, dtype::float32, {slots_, nheads, dim}, {slot_bytes / scale_size, dim, 1}};
  }

  void place_state(tensor_view& state, tensor_view& scale) {
    if (!is_scaled(spec_.state_dtype)) {
      state = place_codes();
    } else if (spec_.scale_in_slot && !spec_.dim_innermost) {
      place_slots(state, scale);
    } else {
      state = place_codes();
      scale = place_written(dtype::float32, {slots_, spec_.nheads, spec_.dim});
    }
  }

  tensor_view place_codes() {
    const sizes extents{slots_, spec_.nheads, spec_.dim, spec_.dstate};
    if (!spec_.dim_innermost) return place_written(spec_.state_dtype, extents);
    const std::int64_t column = detail::aligned(spec_.dim, 8);
    const std::int64_t head = column * spec_.dstate + (chance(engine_, 0.3) ? 8 : 0);
    return place(spec_.state_dtype, extents, {head * spec_.nheads, head, 1, column});
  }

  /** Moves `out` onto an input that can be written. */
  void put_out_on_input() {
    ssu_args& args = case_.layout;
    const tensor_view& input = spec_.out == out_place::on_z ? args.z : args.x;
    if (spec_.out != out_place::apart && input && !detail::overlaps_itself(input)) args.out = input;
  }

  /** x, B and C as slices of one row, the way a causal convolution leaves them. */
  void place_conv_row() {
    const std::int64_t x_width = spec_.nheads * spec_.dim;
    const std::int64_t b_width = spec_.ngroups * spec_.dstate;
    const std::int64_t pad = spec_.aligned ? 0 : pick(engine_, 0, 3);
    const std::int64_t b_at = (spec_.aligned ? detail::aligned(x_width, 8) : x_width) + pad;
    const std::int64_t c_at = (spec_.aligned ? detail::aligned(b_at + b_width, 8) : b_at + b_width);
    const std::int64_t width =
        (spec_.aligned ? detail::aligned(c_at + b_width, 8) : c_at + b_width);
    const tensor_view row = place(spec_.io_dtype, {rows(), width}, {width, 1});
    const auto slice = [&](std::int64_t at, std::int64_t outer, std::int64_t inner) {
      const auto* start = static_cast<std::byte*>(row.data()) + at * size_of(spec_.io_dtype);
      return tensor_view{start, spec_.io_dtype, {rows(), outer, inner}, {width, inner, 1}};
    };
    case_.layout.x = slice(0, spec_.nheads, spec_.dim);
    case_.layout.B = slice(b_at, spec_.ngroups, spec_.dstate);
    case_.layout.C = slice(c_at, spec_.ngroups, spec_.dstate);
  }

  void place_floats() {
    ssu_args& args = case_.layout;
    const sizes row{rows(), spec_.nheads, spec_.dim};
    const sizes group_row{rows(), spec_.ngroups, spec_.dstate};
    const sizes head{spec_.nheads, spec_.dim};
    constexpr std::size_t untied = 9;
    args.dt_softplus = spec_.dt_softplus;
    args.dt_min = spec_.dt_min;
    args.dt_max = spec_.dt_max;
    place_state(args.state, args.state_scale);
    if (spec_.has_dst_state) place_state(args.dst_state, args.dst_state_scale);
    args.out = place_written(own_or_io(spec_.out_dtype), row);
    if (!spec_.B_dtype && !spec_.C_dtype && (spec_.aligned || chance(engine_, 0.4))) {
      place_conv_row();
    } else {
      args.x = place_input(spec_.io_dtype, row, untied);
      args.B = place_input(own_or_io(spec_.B_dtype), group_row, untied);
      args.C = place_input(own_or_io(spec_.C_dtype), group_row, untied);
    }
    args.dt = place_input(spec_.dt_dtype, row, spec_.tied ? 2 : untied, spec_.tied);
    args.A = place_input(spec_.A_dtype, {spec_.nheads, spec_.dim, spec_.dstate},
                         spec_.tied ? 1 : untied, spec_.tied);
    if (spec_.has_D) args.D = place_input(spec_.D_dtype, head, chance(engine_, 0.5) ? 1 : untied);
    if (spec_.has_z) args.z = place_input(own_or_io(spec_.z_dtype), row, untied);
    if (spec_.has_dt_bias) {
      args.dt_bias = place_input(spec_.dt_bias_dtype, head, spec_.tied ? 1 : untied);
    }
    put_out_on_input();
  }

  void place_indices() {
    ssu_args& args = case_.layout;
    args.null_block_id = spec_.null_block_id;
    if (spec_.mode == ssu_mode::varlen) args.max_seqlen = spec_.max_seqlen;
    if (spec_.has_indices) {
      const bool one_axis = spec_.mode != ssu_mode::speculative && chance(engine_, 0.5);
      const sizes table = one_axis ? sizes{spec_.capacity} : sizes{spec_.capacity, columns()};
      args.state_batch_indices = place_written(spec_.index_dtype, table);
      if (spec_.has_dst) args.dst_state_batch_indices = place_written(spec_.index_dtype, table);
    }
    if (spec_.mode == ssu_mode::speculative) {
      args.num_accepted_tokens = place_written(spec_.count_dtype, {spec_.capacity});
    }
    if (spec_.has_cu_seqlens || spec_.mode == ssu_mode::varlen) {
      args.cu_seqlens = place_written(spec_.count_dtype, {spec_.capacity + 1});
    }
    args.rand_seed = layout_.add(dtype::int64, {1});
  }

  /** Only column 0 counts outside speculative mode; a second one is a trap. */
  std::int64_t columns() const {
    return spec_.mode == ssu_mode::speculative ? spec_.max_seqlen : 2;
  }

  void set_index(const tensor_view& table, std::int64_t i, std::int64_t column,
                 std::int64_t value) {
    auto* address = table.rank() == 1 ? address_of(table, i) : address_of(table, i, column);
    if (table.rank() == 2 || column == 0) store_index(address, table.dtype(), value);
  }

  void fill_slots() {
    sizes pool;
    for (std::int64_t slot = 0; slot < slots_ - guard_slots; ++slot) {
      if (slot != spec_.null_block_id) pool.push_back(slot);
    }
    std::shuffle(pool.begin(), pool.end(), engine_);
    const auto take = [&pool] {
      const std::int64_t slot = pool.back();
      pool.pop_back();
      return slot;
    };
    const bool wide = spec_.index_dtype == dtype::int64;
    const std::int64_t trap = slots_ - 1;
    const std::int64_t used = spec_.mode == ssu_mode::speculative ? spec_.max_seqlen : 1;
    for (std::int64_t i = 0; i < spec_.capacity; ++i) {
      const bool live = i < spec_.batch;
      const bool null_source = live && spec_.null_sequences && chance(engine_, 0.25);
      // A slot out of range counts as null; cut to 32 bits, the last of these would be a live one.
      const std::int64_t null =
          one_of(engine_, {spec_.null_block_id, spec_.null_block_id, slots_ + 3,
                           wide ? (std::int64_t{1} << 40) + trap : std::int64_t{-7}});
      for (std::int64_t column = 0; column < columns(); ++column) {
        const bool counts = live && column < used;
        const bool null_column =
            null_source || (columns() > 1 && spec_.null_sequences && chance(engine_, 0.1));
        const auto live_source = [&] {
          const bool shared = spec_.has_dst && spec_.has_dst_state;
          return shared ? one_of(engine_, {pool.front(), pool.back()}) : take();
        };
        const std::int64_t source = !counts ? trap : null_column ? null : live_source();
        set_index(args_.state_batch_indices, i, column, source);
        if (!spec_.has_dst) continue;
        std::int64_t destination = counts ? take() : trap - 1;
        if (counts && !null_source && !spec_.has_dst_state && chance(engine_, 0.3))
          destination = source;
        if (counts && spec_.null_sequences && chance(engine_, 0.2)) destination = null;
        set_index(args_.dst_state_batch_indices, i, column, destination);
      }
    }
  }

  void fill_indices() {
    if (spec_.has_indices) fill_slots();
    store_index(args_.rand_seed.data(), dtype::int64, case_.seed());
    for (std::int64_t i = 0; i < spec_.capacity && args_.num_accepted_tokens; ++i) {
      const tensor_view& accepted = args_.num_accepted_tokens;
      store_index(address_of(accepted, i), accepted.dtype(), pick(engine_, 0, spec_.max_seqlen));
    }
    case_.live_rows = spec_.batch;
    if (!args_.cu_seqlens) return;
    const tensor_view& cu = args_.cu_seqlens;
    std::int64_t end = 0;
    for (std::int64_t i = 0; i <= spec_.capacity; ++i) {
      store_index(address_of(cu, i), cu.dtype(), end);
      if (i == spec_.batch) case_.live_rows = end;
      // Behind the live batch: plausible lengths that nobody may believe.
      end += i < spec_.batch ? pick(engine_, 0, spec_.max_seqlen) : spec_.max_seqlen;
    }
  }

  void fill(const tensor_view& tensor, double low, double high) {
    fill_uniformly(tensor, low, high, engine_);
  }

  void fill_live_rows(const tensor_view& tensor, double low, double high) {
    if (tensor) fill(tensor.with_extent(0, case_.live_rows), low, high);
  }

  void fill_floats() {
    fill_states(args_.state, args_.state_scale, engine_);
    if (args_.dst_state) fill_states(args_.dst_state, args_.dst_state_scale, engine_);
    fill_live_rows(args_.x, -2, 2);
    fill_live_rows(args_.B, -1, 1);
    fill_live_rows(args_.C, -1, 1);
    fill_live_rows(args_.z, -4, 4);
    if (spec_.dt_softplus) {
      fill_live_rows(args_.dt, -4, chance(engine_, 0.1) ? 120 : 2);
    } else {
      fill_live_rows(args_.dt, 0.001, 1);
    }
    fill(args_.A, -4, -0.1);
    if (args_.D) fill(args_.D, -1, 1);
    if (args_.dt_bias) fill(args_.dt_bias, 0, 0.5);
  }

  void omit_axes() {
    ssu_args& args = case_.layout;
    if (spec_.ngroups == 1) {
      if (chance(engine_, 0.7)) args.B = without_axis(args.B, 1);
      if (chance(engine_, 0.7)) args.C = without_axis(args.C, 1);
    }
    if (spec_.nheads > 1) return;
    if (chance(engine_, 0.7)) args.state = without_axis(args.state, 1);
    for (auto member : {&ssu_args::dst_state, &ssu_args::state_scale, &ssu_args::dst_state_scale}) {
      if (args.*member && chance(engine_, 0.7)) args.*member = without_axis(args.*member, 1);
    }
    if (chance(engine_, 0.7)) args.A = without_axis(args.A, 0);
    if (args.D && chance(engine_, 0.7)) args.D = without_axis(args.D, 0);
    if (args.dt_bias && chance(engine_, 0.7)) args.dt_bias = without_axis(args.dt_bias, 0);
    if (chance(engine_, 0.3)) return;
    for (auto member : {&ssu_args::x, &ssu_args::dt, &ssu_args::z, &ssu_args::out}) {
      if (args.*member) args.*member = without_axis(args.*member, 1);
    }
  }

  const case_spec& spec_;
  random_engine& engine_;
  std::int64_t slots_ = 0;
  arena_layout layout_;
  ssu_case case_;
  ssu_args args_;  ///< on the arena
};

void pick_sizes(case_spec& spec, random_engine& engine) {
  constexpr std::int64_t budget = 150'000;  // elements of state
  const std::int64_t slots = spec.capacity * 2 * spec.max_seqlen + guard_slots + 1;
  do {
    spec.nheads = one_of<std::int64_t>(engine, {1, 1, 2, 3, 4, 6, 8});
    spec.ngroups = one_of<std::int64_t>(engine, {1, 1, 2, 3, 4, 8});
    spec.dim = one_of<std::int64_t>(engine, {1, 4, 16, 32, 64, 80, 128, pick(engine, 1, 140)});
    spec.dstate =
        one_of<std::int64_t>(engine, {1, 8, 16, 32, 64, 96, 128, 256, pick(engine, 1, 256)});
  } while (spec.nheads % spec.ngroups != 0 ||
           spec.nheads * spec.dim * spec.dstate * slots > budget);
  spec.aligned = spec.dstate % 8 == 0 && chance(engine, 0.5);
}

}  // namespace

std::int64_t ssu_case::seed() const {
  return oracle_draw(random.seed, random.next_draw);
}

ssu_args first_sequences(const ssu_args& args, std::int64_t sequences) {
  ssu_args cut = args;
  const auto shorten = [](tensor_view& tensor, std::int64_t extent) {
    if (tensor) tensor = tensor.with_extent(0, extent);
  };
  shorten(cut.state_batch_indices, sequences);
  shorten(cut.dst_state_batch_indices, sequences);
  shorten(cut.num_accepted_tokens, sequences);
  shorten(cut.cu_seqlens, sequences + 1);
  shorten(cut.ring_plan, sequences);
  if (cut.cu_seqlens) return cut;
  for (auto member :
       {&ssu_args::x, &ssu_args::dt, &ssu_args::B, &ssu_args::C, &ssu_args::z, &ssu_args::out}) {
    shorten(cut.*member, sequences);
  }
  return cut;
}

ssu_case shifted(const ssu_case& test, std::size_t bytes) {
  ssu_case moved = test;
  if (bytes == 0) return moved;  // which no offset from address 0 would be
  moved.memory = arena{test.memory.size() + bytes};
  std::memcpy(moved.memory.data() + bytes, test.memory.data(), test.memory.size());
  moved.layout = relocate(test.layout, reinterpret_cast<std::byte*>(bytes));
  return moved;
}

std::string to_string(const case_spec& spec) {
  std::ostringstream text;
  text << ssugraph::to_string(spec.mode) << " batch " << spec.batch << '/' << spec.capacity << " T "
       << spec.max_seqlen << ' ' << spec.nheads << 'x' << spec.dim << 'x' << spec.dstate
       << " ngroups " << spec.ngroups << " state " << ssugraph::to_string(spec.state_dtype)
       << " io " << ssugraph::to_string(spec.io_dtype) << " dt "
       << ssugraph::to_string(spec.dt_dtype) << " A " << ssugraph::to_string(spec.A_dtype)
       << " indices " << ssugraph::to_string(spec.index_dtype) << " null " << spec.null_block_id
       << " rounds " << spec.philox_rounds;
  for (const auto& [set, name] :
       {std::pair{spec.tied, "tied"},
        {spec.has_D, "D"},
        {spec.has_z, "z"},
        {spec.has_dt_bias, "dt_bias"},
        {spec.dt_softplus, "softplus"},
        {spec.has_indices, "indices"},
        {spec.has_dst, "dst"},
        {spec.has_dst_state, "dst_state"},
        {spec.dim_innermost, "dim-innermost"},
        {spec.scale_in_slot && is_scaled(spec.state_dtype), "scale-in-slot"},
        {spec.out == out_place::on_x, "out-on-x"},
        {spec.out == out_place::on_z, "out-on-z"},
        {spec.has_cu_seqlens, "cu_seqlens"},
        {spec.null_sequences, "nulls"},
        {spec.aligned, "aligned"},
        {spec.omit_axes, "omit-axes"},
        {spec.stochastic_rounding, "stochastic"}}) {
    if (set) text << ' ' << name;
  }
  for (const auto& [own, name] : {std::pair{spec.B_dtype, "B"},
                                  {spec.C_dtype, "C"},
                                  {spec.z_dtype, "z"},
                                  {spec.out_dtype, "out"}}) {
    if (own) text << ' ' << name << ' ' << ssugraph::to_string(*own);
  }
  if (spec.dt_min <= spec.dt_max && !(std::isinf(spec.dt_min) && std::isinf(spec.dt_max)))
    text << " dt in [" << spec.dt_min << ", " << spec.dt_max << ']';
  return text.str();
}

/** What a call may have beyond what most have. */
void pick_rarities(case_spec& spec, random_engine& engine) {
  if (chance(engine, 0.25)) {
    for (auto* own : {&spec.B_dtype, &spec.C_dtype, &spec.z_dtype, &spec.out_dtype}) {
      if (chance(engine, 0.7)) *own = random_float(engine);
    }
  }
  if (chance(engine, 0.2)) {
    spec.dt_min = one_of(engine, {0.0f, 0.05f, spec.dt_min});
    spec.dt_max = one_of(engine, {0.1f, 0.5f, spec.dt_max});
  }
  spec.has_dst_state = chance(engine, 0.15);
  spec.dim_innermost = spec.aligned && chance(engine, 0.25);
  spec.scale_in_slot = chance(engine, 0.3);
  if (chance(engine, 0.15)) {
    spec.out = spec.has_z && chance(engine, 0.5) ? out_place::on_z : out_place::on_x;
    spec.out_dtype = spec.z_dtype = std::nullopt;
  }
}

case_spec random_spec(random_engine& engine) {
  case_spec spec;
  spec.mode =
      one_of(engine, {ssu_mode::plain, ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative});
  spec.batch = pick(engine, 1, 6);
  spec.capacity = spec.batch + pick(engine, 0, 3);
  spec.max_seqlen = spec.mode == ssu_mode::plain ? 1 : pick(engine, 1, 4);
  pick_sizes(spec, engine);
  spec.state_dtype = chance(engine, 0.4) ? random_scaled(engine) : random_float(engine);
  spec.io_dtype = random_float(engine);
  spec.dt_dtype = random_float(engine);
  spec.A_dtype = random_float(engine);
  spec.D_dtype = random_float(engine);
  spec.dt_bias_dtype = random_float(engine);
  spec.index_dtype = one_of(engine, {dtype::int32, dtype::int64});
  spec.count_dtype = one_of(engine, {dtype::int32, dtype::int64});
  spec.tied = chance(engine, 0.5);
  spec.has_D = chance(engine, 0.7);
  spec.has_z = chance(engine, 0.4);
  spec.has_dt_bias = chance(engine, 0.7);
  spec.dt_softplus = chance(engine, 0.6);
  spec.has_indices = spec.mode == ssu_mode::speculative || chance(engine, 0.8);
  spec.has_dst = spec.has_indices && chance(engine, 0.4);
  spec.has_cu_seqlens =
      spec.mode == ssu_mode::varlen || (spec.mode == ssu_mode::speculative && chance(engine, 0.7));
  spec.null_sequences = spec.has_indices && chance(engine, 0.5);
  spec.null_block_id = one_of<std::int64_t>(engine, {0, 0, -1, 2, 1'000'000});
  spec.omit_axes = chance(engine, 0.4);
  spec.stochastic_rounding = spec.state_dtype != dtype::float32 && chance(engine, 0.5);
  if (spec.stochastic_rounding) spec.philox_rounds = one_of(engine, {0, 3, 4, 5, 7, 10});
  pick_rarities(spec, engine);
  return spec;
}

ssu_case make_case(const case_spec& spec, random_engine& engine) {
  return case_maker{spec, engine}.make();
}

void for_each_element(const tensor_view& tensor, const std::function<void(std::byte*)>& visit) {
  visit_elements(tensor, visit, 0, 0);
}

void fill_states(const tensor_view& state, const tensor_view& scale, random_engine& engine) {
  if (!scale) return fill_uniformly(state, -2, 2, engine);
  const double most = code_format_of(state.dtype()).most;
  fill_uniformly(state, -most, most, engine);
  for_each_element(scale, [&](std::byte* address) {
    store(address, dtype::float32, chance(engine, 0.02) ? 0 : uniform(engine, 1, 2) / most);
  });
}

std::int64_t pick(random_engine& engine, std::int64_t begin, std::int64_t end) {
  return std::uniform_int_distribution<std::int64_t>{begin, end}(engine);
}

bool chance(random_engine& engine, double probability) {
  return uniform(engine, 0, 1) < probability;
}

double uniform(random_engine& engine, double low, double high) {
  return low + (high - low) * std::ldexp(static_cast<double>(engine() >> 11), -53);
}

std::uint64_t base_seed() {
  const char* text = std::getenv("SSUGRAPH_TEST_SEED");
  return text != nullptr ? std::stoull(text) : 20260101;
}

int case_count(int otherwise) {
  const char* text = std::getenv("SSUGRAPH_TEST_CASES");
  return text != nullptr ? std::stoi(text) : otherwise;
}

}  // namespace ssugraph::test
