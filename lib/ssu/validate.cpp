#include "lib/ssu/validate.hpp"

#include "lib/core/device.hpp"
#include "lib/core/overlap.hpp"
#include "lib/ssu/tensors.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace ssugraph::detail {
namespace {

constexpr std::int64_t max_dstate = 256;
constexpr std::int64_t vector_elements = 8;
constexpr std::int64_t vector_bytes = 16;

using shape = std::initializer_list<std::int64_t>;

std::string tuple(shape extents) {
  std::string text = "(";
  for (const std::int64_t extent : extents) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text + ")";
}

void check_bound(const char* name, const tensor_view& tensor) {
  if (!tensor) throw invalid_argument{name, "a tensor", "nothing"};
}

void check_rank(const char* name, const tensor_view& tensor, int rank) {
  if (tensor.rank() == rank || tensor.rank() == rank - 1) return;
  throw invalid_argument{name, "rank " + std::to_string(rank - 1) + " or " + std::to_string(rank),
                         to_string(tensor)};
}

void check_shape(const char* name, const tensor_view& tensor, shape extents) {
  if (std::ranges::equal(tensor.extents(), extents)) return;
  throw invalid_argument{name, "shape " + tuple(extents), to_string(tensor)};
}

void check_floating(const char* name, const tensor_view& tensor) {
  if (is_floating(tensor.dtype())) return;
  throw invalid_argument{name, "float32, float16 or bfloat16", to_string(tensor)};
}

void check_dtype(const char* name, const tensor_view& tensor, dtype type) {
  if (tensor.dtype() == type) return;
  throw invalid_argument{name, std::string{to_string(type)}, to_string(tensor)};
}

void check_index_dtype(const char* name, const tensor_view& tensor) {
  if (tensor.dtype() == dtype::int32 || tensor.dtype() == dtype::int64) return;
  throw invalid_argument{name, "int32 or int64", to_string(tensor)};
}

std::optional<dtype> dtype_of(const tensor_view& tensor) {
  return tensor ? std::optional{tensor.dtype()} : std::nullopt;
}

/** Presence, ranks and floating dtypes; gives every tensor all of its axes. */
ssu_args canonical(const ssu_args& given) {
  check_bound("state", given.state);
  check_bound("x", given.x);
  check_bound("dt", given.dt);
  check_bound("A", given.A);
  check_bound("B", given.B);
  check_bound("C", given.C);
  check_bound("out", given.out);

  ssu_args args = given;
  const auto raise = [](const char* name, tensor_view& tensor, int rank, int axis) {
    if (!tensor) return;
    check_rank(name, tensor, rank);
    check_floating(name, tensor);
    if (tensor.rank() < rank) tensor = tensor.with_unit_axis(axis);
  };
  for (const auto& [name, tensor] :
       {std::pair{"dt", &args.dt}, std::pair{"z", &args.z}, std::pair{"out", &args.out}}) {
    if (*tensor && tensor->rank() != args.x.rank()) {
      throw invalid_argument{name, "the rank of x, " + std::to_string(args.x.rank()),
                             to_string(*tensor)};
    }
  }
  raise("state", args.state, 4, 1);
  raise("x", args.x, 3, 1);
  raise("dt", args.dt, 3, 1);
  raise("z", args.z, 3, 1);
  raise("out", args.out, 3, 1);
  raise("A", args.A, 3, 0);
  raise("B", args.B, 3, 1);
  raise("C", args.C, 3, 1);
  raise("D", args.D, 2, 0);
  raise("dt_bias", args.dt_bias, 2, 0);
  return args;
}

/** Sizes, shapes and dtypes of the floating tensors. */
ssu_problem check_floats(const ssu_args& args) {
  ssu_problem problem;
  problem.nheads = args.state.extent(1);
  problem.dim = args.state.extent(2);
  problem.dstate = args.state.extent(3);
  problem.ngroups = args.B.extent(1);
  const std::int64_t rows = args.x.extent(0);
  const auto& [nheads, dim, dstate, ngroups] =
      std::tie(problem.nheads, problem.dim, problem.dstate, problem.ngroups);

  if (nheads < 1 || dim < 1 || dstate < 1 || dstate > max_dstate) {
    throw invalid_argument{"state", "nheads and dim of at least 1 and dstate of 1 to 256",
                           to_string(args.state)};
  }
  if (ngroups < 1 || nheads % ngroups != 0) {
    throw invalid_argument{"B", "ngroups that divides nheads = " + std::to_string(nheads),
                           to_string(args.B)};
  }
  check_shape("x", args.x, {rows, nheads, dim});
  check_shape("dt", args.dt, {rows, nheads, dim});
  check_shape("A", args.A, {nheads, dim, dstate});
  check_shape("B", args.B, {rows, ngroups, dstate});
  check_shape("C", args.C, {rows, ngroups, dstate});
  check_shape("out", args.out, {rows, nheads, dim});
  if (args.D) check_shape("D", args.D, {nheads, dim});
  if (args.z) check_shape("z", args.z, {rows, nheads, dim});
  if (args.dt_bias) check_shape("dt_bias", args.dt_bias, {nheads, dim});

  problem.state_dtype = args.state.dtype();
  problem.io_dtype = args.x.dtype();
  problem.dt_dtype = args.dt.dtype();
  problem.A_dtype = args.A.dtype();
  problem.D_dtype = dtype_of(args.D);
  problem.dt_bias_dtype = dtype_of(args.dt_bias);
  problem.has_z = static_cast<bool>(args.z);
  check_dtype("B", args.B, problem.io_dtype);
  check_dtype("C", args.C, problem.io_dtype);
  check_dtype("out", args.out, problem.io_dtype);
  if (args.z) check_dtype("z", args.z, problem.io_dtype);
  problem.dt_softplus = args.dt_softplus;
  return problem;
}

std::int64_t count_sequences(const ssu_args& args) {
  if (args.state_batch_indices) return args.state_batch_indices.extent(0);
  if (args.cu_seqlens) return std::max<std::int64_t>(args.cu_seqlens.extent(0) - 1, 0);
  return args.x.extent(0);
}

void check_max_seqlen(std::int64_t max_seqlen) {
  if (max_seqlen >= 0 && max_seqlen <= std::numeric_limits<std::int32_t>::max()) return;
  throw invalid_argument{"max_seqlen", "0 to 2^31 - 1", std::to_string(max_seqlen)};
}

void check_indices(const ssu_args& args) {
  const tensor_view& indices = args.state_batch_indices;
  const tensor_view& destinations = args.dst_state_batch_indices;
  if (destinations && !indices) {
    throw invalid_argument{"dst_state_batch_indices", "state_batch_indices beside it",
                           to_string(destinations) + " alone"};
  }
  if (!indices) return;
  check_index_dtype("state_batch_indices", indices);
  if (indices.rank() > 2 || (indices.rank() == 2 && indices.extent(1) < 1)) {
    throw invalid_argument{"state_batch_indices", "shape (n) or (n, T)", to_string(indices)};
  }
  if (!destinations) return;
  check_index_dtype("dst_state_batch_indices", destinations);
  if (!std::ranges::equal(destinations.extents(), indices.extents())) {
    throw invalid_argument{"dst_state_batch_indices", "the shape of state_batch_indices",
                           to_string(destinations) + " beside " + to_string(indices)};
  }
}

/** Modes, index and count tensors. */
void check_sequences(const ssu_args& args, ssu_problem& problem, std::int64_t sequences) {
  const std::int64_t rows = args.x.extent(0);
  problem.mode = mode_of(args);
  problem.has_indices = static_cast<bool>(args.state_batch_indices);
  problem.has_dst_indices = static_cast<bool>(args.dst_state_batch_indices);
  problem.has_cu_seqlens = static_cast<bool>(args.cu_seqlens);
  problem.index_dtype = dtype_of(args.state_batch_indices);
  problem.dst_index_dtype = dtype_of(args.dst_state_batch_indices);
  problem.accepted_dtype = dtype_of(args.num_accepted_tokens);
  problem.cu_seqlens_dtype = dtype_of(args.cu_seqlens);
  problem.slots = args.state.extent(0);
  problem.null_block_id = args.null_block_id;
  if (!problem.has_indices && args.state.extent(0) < sequences) {
    throw invalid_argument{"state",
                           "a slot for each of " + std::to_string(sequences) +
                               " sequences, there being no state_batch_indices",
                           to_string(args.state)};
  }
  if (args.cu_seqlens) {
    check_index_dtype("cu_seqlens", args.cu_seqlens);
    check_shape("cu_seqlens", args.cu_seqlens, {sequences + 1});
  } else if (rows != sequences) {
    throw invalid_argument{"state_batch_indices",
                           "one sequence a row of x, " + std::to_string(rows),
                           to_string(args.state_batch_indices)};
  }
  check_max_seqlen(args.max_seqlen);
  if (problem.mode == ssu_mode::varlen) {
    problem.max_seqlen = args.max_seqlen > 0 ? args.max_seqlen : std::max<std::int64_t>(rows, 1);
  }
  if (problem.mode != ssu_mode::speculative) return;
  check_index_dtype("num_accepted_tokens", args.num_accepted_tokens);
  if (!args.state_batch_indices || args.state_batch_indices.rank() != 2) {
    throw invalid_argument{"state_batch_indices", "shape (n, T) beside num_accepted_tokens",
                           to_string(args.state_batch_indices)};
  }
  check_shape("num_accepted_tokens", args.num_accepted_tokens, {sequences});
  problem.max_seqlen = args.state_batch_indices.extent(1);
  check_max_seqlen(problem.max_seqlen);
}

void check_rounding(const ssu_args& args, const mamba_config& config, ssu_problem& problem) {
  if (args.rand_seed) {
    check_dtype("rand_seed", args.rand_seed, dtype::int64);
    check_shape("rand_seed", args.rand_seed, {1});
  }
  if (!config.stochastic_rounding) return;
  if (problem.state_dtype == dtype::float32) {
    throw invalid_argument{"state", "float16 or bfloat16 for stochastic rounding",
                           to_string(args.state)};
  }
  problem.stochastic_rounding = true;
  problem.philox_rounds = config.philox_rounds == 0 ? 10 : config.philox_rounds;
}

/** Addresses: present, aligned to their dtype and all in one place. */
device check_memory(const ssu_args& args) {
  const device home = device_of(args.state.data());
  for (const tensor_field& field : tensor_fields) {
    const tensor_view& tensor = args.*field.member;
    if (!tensor || tensor.size() == 0) continue;
    const auto address = reinterpret_cast<std::uintptr_t>(tensor.data());
    const std::string name{field.name};
    if (address == 0) throw invalid_argument{name, "an address", "null"};
    if (address % static_cast<std::uintptr_t>(size_of(tensor.dtype())) != 0) {
      throw invalid_argument{name, "an address aligned to its dtype", std::to_string(address)};
    }
    if (const device where = device_of(tensor.data()); where != home) {
      throw invalid_argument{name, describe_memory(home) + " as state", describe_memory(where)};
    }
  }
  return home;
}

/** `out` and `state` are written: no two elements in one place, no byte shared. */
void check_written(const ssu_args& args) {
  for (const auto& [name, written] :
       {std::pair{"out", &args.out}, std::pair{"state", &args.state}}) {
    if (overlaps_itself(*written)) {
      throw invalid_argument{name, "no element on top of another, for it is written",
                             to_string(*written)};
    }
    for (const tensor_field& field : tensor_fields) {
      const tensor_view& other = args.*field.member;
      if (!other || &other == written || !may_overlap(*written, other)) continue;
      throw invalid_argument{name, "no byte shared with " + std::string{field.name},
                             "overlapping tensors"};
    }
  }
}

bool is_broadcast(const tensor_view& tensor, int axis) {
  return tensor.extent(axis) == 1 || tensor.stride(axis) == 0;
}

bool is_tied(const ssu_args& args) {
  return is_broadcast(args.A, 1) && is_broadcast(args.A, 2) && is_broadcast(args.dt, 2) &&
         (!args.dt_bias || is_broadcast(args.dt_bias, 1));
}

/** Why `tensor` does not allow 16-byte accesses along its last axis; empty if it does. */
std::string misalignment_of(const char* name, const tensor_view& tensor) {
  const int last = tensor.rank() - 1;
  const std::int64_t size = size_of(tensor.dtype());
  if (tensor.extent(last) % vector_elements != 0) return "dstate is no multiple of 8";
  if (tensor.stride(last) != 1) return std::string{name} + " is not contiguous along dstate";
  if (reinterpret_cast<std::uintptr_t>(tensor.data()) % vector_bytes != 0) {
    return std::string{name} + " is not 16-byte aligned";
  }
  for (int axis = 0; axis < last; ++axis) {
    if (tensor.extent(axis) > 1 && tensor.stride(axis) * size % vector_bytes != 0) {
      return "stride " + std::to_string(axis) + " of " + name + " is no multiple of 16 bytes";
    }
  }
  return {};
}

std::string find_misalignment(const ssu_args& args, bool tied) {
  std::string reason = misalignment_of("state", args.state);
  if (reason.empty()) reason = misalignment_of("B", args.B);
  if (reason.empty()) reason = misalignment_of("C", args.C);
  if (reason.empty() && !tied) reason = misalignment_of("A", args.A);
  return reason;
}

/** The first axis of all but the parameters counts the batch, which a layout must not tell. */
tensor_layout layout_of(const tensor_field& field, const tensor_view& tensor) {
  tensor_layout layout;
  if (!tensor) return layout;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    const bool counts_batch = axis == 0 && field.leading != leading_axis::none;
    if (counts_batch || tensor.extent(axis) > 1) layout.strides[axis] = tensor.stride(axis);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.data());
  constexpr auto most = static_cast<std::uintptr_t>(tensor_layout::max_alignment);
  layout.alignment = static_cast<std::int64_t>(std::gcd(address | most, most));
  return layout;
}

}  // namespace

ssu_mode mode_of(const ssu_args& args) noexcept {
  if (args.num_accepted_tokens) return ssu_mode::speculative;
  return args.cu_seqlens ? ssu_mode::varlen : ssu_mode::plain;
}

void validate(const mamba_config& config) {
  if (config.philox_rounds < 0 || config.philox_rounds > 10) {
    throw invalid_argument{"philox_rounds", "0 to 10", std::to_string(config.philox_rounds)};
  }
}

ssu_call validate(const ssu_args& given, const mamba_config& config) {
  validate(config);
  ssu_call call;
  call.args = canonical(given);
  call.problem = check_floats(call.args);
  check_indices(call.args);
  call.sequences = count_sequences(call.args);
  check_sequences(call.args, call.problem, call.sequences);
  check_rounding(call.args, config, call.problem);
  call.problem.device = check_memory(call.args);
  check_written(call.args);
  call.problem.tied = is_tied(call.args);
  call.problem.misalignment = find_misalignment(call.args, call.problem.tied);
  for (std::size_t i = 0; i < call.problem.layouts.size(); ++i) {
    call.problem.layouts[i] = layout_of(tensor_fields[i], call.args.*tensor_fields[i].member);
  }
  call.problem.is_blackwell = given.is_blackwell.value_or(is_blackwell(call.problem.device));
  return call;
}

ssu_args first_sequences(const ssu_args& args, std::int64_t sequences, std::int64_t max_seqlen) {
  check_max_seqlen(max_seqlen);
  ssu_args cut = args;
  for (const tensor_field& field : tensor_fields) {
    tensor_view& tensor = cut.*field.member;
    if (!tensor) continue;
    std::int64_t wanted = tensor.extent(0);
    if (field.leading == leading_axis::rows) wanted = sequences * max_seqlen;
    if (field.leading == leading_axis::sequences) wanted = sequences;
    if (field.leading == leading_axis::boundaries) wanted = sequences + 1;
    if (tensor.extent(0) < wanted) {
      throw invalid_argument{std::string{field.name},
                             "at least " + std::to_string(wanted) +
                                 " entries on its first axis for " + std::to_string(sequences) +
                                 " sequences of up to " + std::to_string(max_seqlen) + " tokens",
                             to_string(tensor)};
    }
    tensor = tensor.with_extent(0, wanted);
  }
  return cut;
}

}  // namespace ssugraph::detail
