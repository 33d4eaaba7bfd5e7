#include "tests/support/model_case.hpp"

#include "tests/support/code_format.hpp"
#include "tests/support/float_format.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace ssugraph::test {
namespace {

using sizes = std::vector<std::int64_t>;

class model_case_maker {
 public:
  model_case_maker(const case_spec& spec, random_engine& engine) : spec_{spec}, engine_{engine} {}

  ssu_case make() {
    case_.batch = spec_.batch;
    case_.capacity = spec_.batch;
    case_.max_seqlen = spec_.max_seqlen;
    case_.config.stochastic_rounding = spec_.stochastic_rounding;
    case_.config.philox_rounds = spec_.philox_rounds;
    case_.name = to_string(spec_);
    case_.random = {engine_(), 5};
    place();
    case_.memory = arena{layout_.bytes()};
    args_ = case_.args_at(case_.memory.data());
    fill_counts();
    fill_floats();
    return std::move(case_);
  }

 private:
  std::int64_t columns() const {
    return spec_.mode == ssu_mode::speculative ? spec_.max_seqlen : 1;
  }
  /** Slot 0 is left to the null block. */
  std::int64_t slots() const {
    return spec_.has_indices ? 1 + 2 * spec_.batch * columns() : spec_.batch;
  }

  void place() {
    const std::int64_t rows = spec_.batch * (spec_.has_cu_seqlens ? spec_.max_seqlen : 1);
    const auto [nheads, dim, dstate] = std::array{spec_.nheads, spec_.dim, spec_.dstate};
    ssu_args& args = case_.layout;
    args.dt_softplus = spec_.dt_softplus;
    args.null_block_id = spec_.null_block_id;
    args.state = layout_.add(spec_.state_dtype, {slots(), nheads, dim, dstate});
    if (is_scaled(spec_.state_dtype))
      args.state_scale = layout_.add(dtype::float32, {slots(), nheads, dim});
    args.out = layout_.add(spec_.io_dtype, {rows, nheads, dim});
    place_row(rows);
    args.dt = layout_.add(spec_.dt_dtype, {rows, nheads, dim}, {nheads, 1, 0});
    args.A = layout_.add(spec_.A_dtype, {nheads, dim, dstate}, {1, 0, 0});
    if (spec_.has_D) args.D = layout_.add(spec_.D_dtype, {nheads, dim}, {1, 0});
    if (spec_.has_dt_bias) args.dt_bias = layout_.add(spec_.dt_bias_dtype, {nheads, dim}, {1, 0});
    if (spec_.has_z) args.z = layout_.add(spec_.io_dtype, {rows, nheads, dim});
    place_counts();
  }

  void place_row(std::int64_t rows) {
    const std::int64_t x_width = spec_.nheads * spec_.dim;
    const std::int64_t group_width = spec_.ngroups * spec_.dstate;
    const std::int64_t width = x_width + 2 * group_width;
    const tensor_view row = layout_.add(spec_.io_dtype, {rows, width});
    const auto slice = [&](std::int64_t at, std::int64_t outer, std::int64_t inner) {
      const auto* first = static_cast<std::byte*>(row.data()) + at * size_of(spec_.io_dtype);
      return tensor_view{first, spec_.io_dtype, {rows, outer, inner}, {width, inner, 1}};
    };
    case_.layout.x = slice(0, spec_.nheads, spec_.dim);
    case_.layout.B = slice(x_width, spec_.ngroups, spec_.dstate);
    case_.layout.C = slice(x_width + group_width, spec_.ngroups, spec_.dstate);
  }

  void place_counts() {
    ssu_args& args = case_.layout;
    if (spec_.mode == ssu_mode::varlen) args.max_seqlen = spec_.max_seqlen;
    const sizes table =
        spec_.mode == ssu_mode::speculative ? sizes{spec_.batch, columns()} : sizes{spec_.batch};
    if (spec_.has_indices) args.state_batch_indices = layout_.add(spec_.index_dtype, table);
    if (spec_.has_dst) args.dst_state_batch_indices = layout_.add(spec_.index_dtype, table);
    if (spec_.mode == ssu_mode::speculative) {
      args.num_accepted_tokens = layout_.add(spec_.count_dtype, {spec_.batch});
    }
    if (spec_.has_cu_seqlens) args.cu_seqlens = layout_.add(spec_.count_dtype, {spec_.batch + 1});
    args.rand_seed = layout_.add(dtype::int64, {1});
  }

  void fill_counts() {
    store_index(args_.rand_seed.data(), dtype::int64, case_.seed());
    sizes free(static_cast<std::size_t>(slots()));
    std::iota(free.begin(), free.end(), 0);
    free.erase(free.begin());
    std::shuffle(free.begin(), free.end(), engine_);
    std::int64_t end = 0;
    for (std::int64_t i = 0; i < spec_.batch; ++i) {
      const bool null_source = spec_.null_sequences && i % 3 == 1;
      for (std::int64_t column = 0; column < columns(); ++column) {
        set_slot(args_.state_batch_indices, i, column, null_source, free);
        set_slot(args_.dst_state_batch_indices, i, column,
                 spec_.null_sequences && chance(engine_, 0.34), free);
      }
      if (args_.num_accepted_tokens) {
        store_index(address_of(args_.num_accepted_tokens, i), spec_.count_dtype,
                    pick(engine_, 0, spec_.max_seqlen));
      }
      if (!args_.cu_seqlens) continue;
      store_index(address_of(args_.cu_seqlens, i), spec_.count_dtype, end);
      end += pick(engine_, 0, spec_.max_seqlen);
      store_index(address_of(args_.cu_seqlens, i + 1), spec_.count_dtype, end);
    }
    case_.live_rows = args_.cu_seqlens ? end : spec_.batch;
  }

  void set_slot(const tensor_view& table, std::int64_t i, std::int64_t column, bool null,
                sizes& free) {
    if (!table) return;
    std::int64_t slot = spec_.null_block_id;
    if (!null) {
      slot = free.back();
      free.pop_back();
    }
    auto* address = table.rank() == 1 ? address_of(table, i) : address_of(table, i, column);
    store_index(address, table.dtype(), slot);
  }

  /** Values of a tensor of which `strides` are those of the elements that it has. */
  void fill(const tensor_view& tensor, std::int64_t rows, double low, double high) {
    if (!tensor) return;
    sizes extents(tensor.extents().begin(), tensor.extents().end());
    extents[0] = rows;
    for (int axis = 0; axis < tensor.rank(); ++axis) {
      if (tensor.stride(axis) == 0) extents[static_cast<std::size_t>(axis)] = 1;
    }
    extents.resize(4, 1);
    for (std::int64_t i = 0; i < extents[0] * extents[1] * extents[2] * extents[3]; ++i) {
      std::int64_t offset = 0;
      std::int64_t rest = i;
      for (int axis = tensor.rank() - 1; axis >= 0; --axis) {
        const std::int64_t extent = extents[static_cast<std::size_t>(axis)];
        offset += rest % extent * tensor.stride(axis);
        rest /= extent;
      }
      store(static_cast<std::byte*>(tensor.data()) + offset * size_of(tensor.dtype()),
            tensor.dtype(), uniform(engine_, low, high));
    }
  }

  void fill_floats() {
    const std::int64_t rows = case_.live_rows;
    const double most = is_scaled(spec_.state_dtype) ? code_format_of(spec_.state_dtype).most : 2.0;
    fill(args_.state, slots(), -most, most);
    fill(args_.state_scale, slots(), 1 / most, 2 / most);
    fill(args_.x, rows, -2, 2);
    fill(args_.B, rows, -1, 1);
    fill(args_.C, rows, -1, 1);
    fill(args_.z, rows, -4, 4);
    fill(args_.dt, rows, spec_.dt_softplus ? -4 : 0.001, spec_.dt_softplus ? 2 : 1);
    fill(args_.A, spec_.nheads, -4, -0.1);
    fill(args_.D, spec_.nheads, -1, 1);
    fill(args_.dt_bias, spec_.nheads, 0, 0.5);
  }

  const case_spec& spec_;
  random_engine& engine_;
  arena_layout layout_;
  ssu_case case_;
  ssu_args args_;  ///< on the arena
};

}  // namespace

ssu_case model_case(const case_spec& spec, random_engine& engine) {
  return model_case_maker{spec, engine}.make();
}

}  // namespace ssugraph::test
