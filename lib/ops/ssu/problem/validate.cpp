#include "lib/ops/ssu/problem/validate.hpp"

#include "lib/core/alignment.hpp"
#include "lib/core/device.hpp"
#include "lib/core/overlap.hpp"
#include "lib/core/reach.hpp"
#include "lib/ops/ssu/problem/cut.hpp"
#include "lib/ops/ssu/problem/dtypes.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/ops/ssu/problem/rings.hpp"
#include "lib/ops/ssu/problem/shapes.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ssugraph::detail {
namespace {

void check_shape(std::string_view name, const tensor_view& tensor,
                 const std::vector<std::int64_t>& extents) {
  if (std::ranges::equal(tensor.extents(), extents)) return;
  throw invalid_argument{std::string{name}, "shape " + tuple(extents), to_string(tensor)};
}

/** Presence and ranks; gives every floating tensor all of its axes, and takes away strides that
 *  lead nowhere. */
ssu_args canonical(const ssu_args& given) {
  ssu_args args = given;
  for (const ssu_operand& each : ssu_operands) {
    tensor_view& tensor = args.*each.member;
    if (tensor) tensor = with_strides_in_reach(tensor);
  }
  for (const ssu_operand& each : ssu_operands) {
    if (each.required && !(args.*each.member))
      throw invalid_argument{std::string{each.what.name}, "a tensor", "nothing"};
  }
  for (const ssu_operand& each : ssu_operands) {
    tensor_view& tensor = args.*each.member;
    const auto& [rank, axes] = each.shape;
    if (!tensor || rank == 0) continue;
    const std::string name{each.what.name};
    if (tensor.rank() != rank && tensor.rank() != rank - 1) {
      throw invalid_argument{name,
                             "rank " + std::to_string(rank - 1) + " or " + std::to_string(rank) +
                                 expand_hint(each, tensor, args),
                             to_string(tensor)};
    }
    // x, dt, z and out leave the axis out together.
    const bool as_x = axes[0] == ssu_axis::rows && axes[1] == ssu_axis::nheads;
    if (as_x && tensor.rank() != given.x.rank()) {
      throw invalid_argument{
          name,
          "the rank of x, " + std::to_string(given.x.rank()) + expand_hint(each, tensor, args),
          to_string(tensor)};
    }
    if (tensor.rank() < rank) tensor = tensor.with_unit_axis(each.shape.optional_axis());
  }
  return args;
}

/** Sizes are taken of state: of one whose last axes are swapped, x and B would be blamed. */
void check_state_axes(const ssu_args& args) {
  const std::int64_t dim = args.x.extent(2);
  const std::int64_t dstate = args.B.extent(2);
  if (dim == dstate || args.state.extent(2) != dstate || args.state.extent(3) != dim) return;
  throw invalid_argument{"state",
                         "(slots, nheads, dim, dstate), with dim " + std::to_string(dim) +
                             " as x and dstate " + std::to_string(dstate) +
                             " as B, in torch state.transpose(-2, -1)",
                         to_string(args.state)};
}

/** Sizes, and the shapes of the floating tensors, which were `given` with or without all axes. */
void check_shapes(const ssu_args& args, const ssu_args& given) {
  check_state_axes(args);
  const std::int64_t nheads = args.state.extent(1);
  const std::int64_t dstate = args.state.extent(3);
  if (nheads < 1 || args.state.extent(2) < 1 || dstate < 1 || dstate > max_dstate) {
    throw invalid_argument{"state", "nheads and dim of at least 1 and dstate of 1 to 256",
                           to_string(args.state)};
  }
  if (args.B.extent(1) < 1 || nheads % args.B.extent(1) != 0) {
    throw invalid_argument{"B", "ngroups that divides nheads = " + std::to_string(nheads),
                           to_string(args.B)};
  }
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    if (!tensor || each.shape.rank == 0) continue;
    const std::vector<std::int64_t> extents = extents_of(args, each);
    if (std::ranges::equal(tensor.extents(), extents)) continue;
    const tensor_view& came = given.*each.member;
    throw invalid_argument{std::string{each.what.name},
                           describe(each.shape, extents) + expand_hint(each, came, args),
                           to_string(came)};
  }
}

/** How many sequences a call has: the rows that it has decide, and not how long its index tensors
 *  are. */
std::int64_t count_sequences(const ssu_args& args) {
  if (args.cu_seqlens) return std::max<std::int64_t>(args.cu_seqlens.extent(0) - 1, 0);
  return args.x.extent(0);
}

/** Index and count tensors have at least an entry a sequence; what is behind those is nobody's. */
void check_entries(const ssu_args& args, std::int64_t sequences) {
  if (args.cu_seqlens) check_shape("cu_seqlens", args.cu_seqlens, {sequences + 1});
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    if (!tensor || each.what.leading != first_axis::sequences) continue;
    if (tensor.extent(0) >= sequences) continue;
    const std::string of = args.cu_seqlens ? "sequence of cu_seqlens" : "row of x";
    throw invalid_argument{std::string{each.what.name},
                           "an entry for each " + of + ", " + std::to_string(sequences),
                           to_string(tensor)};
  }
}

void check_slots(const std::string& name, const tensor_view& indices) {
  if (!indices) return;
  if (indices.rank() > 2 || (indices.rank() == 2 && indices.extent(1) < 1))
    throw invalid_argument{name, "shape (n) or (n, T)", to_string(indices)};
  if (indices.rank() == 2) check_max_seqlen(indices.extent(1));
}

/** Index and count tensors, by mode, cut to their sequences. */
void check_sequences(const ssu_args& args, std::int64_t sequences) {
  const tensor_view& indices = args.state_batch_indices;
  const tensor_view& destinations = args.dst_state_batch_indices;
  check_slots("state_batch_indices", indices);
  check_slots("dst_state_batch_indices", destinations);
  if (indices && destinations && !std::ranges::equal(destinations.extents(), indices.extents())) {
    throw invalid_argument{"dst_state_batch_indices", "the shape of state_batch_indices",
                           to_string(destinations) + " beside " + to_string(indices)};
  }
  if (!indices && args.state.extent(0) < sequences) {
    throw invalid_argument{"state",
                           "a slot for each of " + std::to_string(sequences) +
                               " sequences, there being no state_batch_indices",
                           to_string(args.state)};
  }
  if (args.dst_state && !args.dst_state_batch_indices &&
      args.dst_state.extent(0) < args.state.extent(0)) {
    throw invalid_argument{"dst_state",
                           "the slots of state or more, there being no dst_state_batch_indices",
                           to_string(args.dst_state) + " beside " + to_string(args.state)};
  }
  check_max_seqlen(args.max_seqlen);
  if (mode_of(args) != ssu_mode::speculative) return;
  if (!indices || indices.rank() != 2) {
    throw invalid_argument{"state_batch_indices", "shape (n, T) beside num_accepted_tokens",
                           to_string(indices)};
  }
  check_shape("num_accepted_tokens", args.num_accepted_tokens, {sequences});
}

void check_dt_limits(const ssu_args& args) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  if (args.dt_min <= args.dt_max && args.dt_min < infinite && args.dt_max > -infinite) return;
  throw invalid_argument{"dt_min", "a number or -inf, at most dt_max, a number or inf",
                         std::to_string(args.dt_min) + " and " + std::to_string(args.dt_max)};
}

/** Addresses: present, aligned to their dtype and all in one place, which may be `known`. */
device check_memory(const ssu_args& args, std::optional<device> known) {
  const device home = known ? *known : device_of(args.state.data());
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    if (!tensor || tensor.size() == 0) continue;
    const std::string name{each.what.name};
    check_address(name, tensor);
    if (known) continue;
    if (const device where = device_of(tensor.data()); where != home) {
      throw invalid_argument{name, describe_memory(home) + " as state", describe_memory(where)};
    }
  }
  return home;
}

/** Whether `written` may lie on what is read: every thread reads an element of x and z before it
 *  writes that of out. */
bool is_in_place(const ssu_operand& written, const ssu_operand& read, const ssu_args& args) {
  const bool by_element = read.member == &ssu_args::x || read.member == &ssu_args::z;
  return written.member == &ssu_args::out && by_element && args.out == args.*read.member;
}

/** What is written: no two elements in one place, no byte shared. */
void check_written(const ssu_args& args) {
  const auto operands = operands_of_ssu(static_cast<bool>(args.dst_state));
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const ssu_operand& each = ssu_operands[i];
    const tensor_view& written = args.*each.member;
    if (!operands[i].is_written() || !written) continue;
    const std::string name{each.what.name};
    if (overlaps_itself(written)) {
      throw invalid_argument{name, "no element on top of another, for it is written",
                             to_string(written)};
    }
    for (std::size_t j = 0; j < operands.size(); ++j) {
      const ssu_operand& other = ssu_operands[j];
      const tensor_view& tensor = args.*other.member;
      // Of two that are written, the later one is named.
      const bool named_later = operands[j].is_written() && j >= i;
      if (!tensor || named_later || is_in_place(each, other, args)) continue;
      if (!may_overlap(written, tensor)) continue;
      throw invalid_argument{name, "no byte shared with " + std::string{other.what.name},
                             describe_overlap(written, tensor, other.what.name)};
    }
  }
}

}  // namespace

void check_max_seqlen(std::int64_t max_seqlen) {
  if (max_seqlen >= 0 && max_seqlen <= std::numeric_limits<std::int32_t>::max()) return;
  throw invalid_argument{"max_seqlen", "0 to 2^31 - 1", std::to_string(max_seqlen)};
}

void check_reach(const ssu_args& args) {
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    if (tensor) check_reach(each.what.name, tensor);
  }
}

void validate(const mamba_config& config) {
  const int rounds = config.philox_rounds;
  if (rounds == 0 || (rounds >= 3 && rounds <= 10)) return;
  throw invalid_argument{"philox_rounds",
                         "0 (10), or 3 to 10: fewer do not bring the 32 bits of a seed into every "
                         "word of a draw, and most elements would round one way for ever",
                         std::to_string(rounds)};
}

validated_ssu validate(const ssu_args& given, const mamba_config& config,
                       std::optional<device> where) {
  validate(config);
  check_reach(given);
  validated_ssu call;
  call.args = canonical(given);
  check_rounding(call.args.state, config);
  check_ring_partners(call.args);
  check_dtypes(call.args);
  check_shapes(call.args, given);
  call.sequences = count_sequences(call.args);
  check_entries(call.args, call.sequences);
  call.args = cut_to(call.args, call.sequences);
  check_sequences(call.args, call.sequences);
  check_rings(call.args, call.sequences);
  check_dt_limits(call.args);
  if (given.rand_seed) check_shape("rand_seed", given.rand_seed, {1});
  const device home = check_memory(call.args, where);
  check_written(call.args);
  call.problem = problem_of(call.args, config, home);
  return call;
}

}  // namespace ssugraph::detail
