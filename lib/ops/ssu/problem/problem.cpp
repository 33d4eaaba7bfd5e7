#include "lib/ops/ssu/problem/problem.hpp"

#include "lib/core/device.hpp"
#include "lib/step/planned_step.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

namespace ssugraph::detail {
namespace {

constexpr std::int64_t vector_elements = 8;
constexpr std::int64_t vector_bytes = 16;

std::optional<dtype> dtype_of(const tensor_view& tensor) {
  return tensor ? std::optional{tensor.dtype()} : std::nullopt;
}

bool is_tied(const ssu_args& args) {
  return is_broadcast(args.A, 1) && is_broadcast(args.A, 2) && is_broadcast(args.dt, 2) &&
         (!args.dt_bias || is_broadcast(args.dt_bias, 1));
}

/** Why `tensor` does not allow 16-byte accesses along its last axis; empty if it does. */
std::string misalignment_of(const std::string& name, const tensor_view& tensor) {
  const int last = tensor.rank() - 1;
  const std::int64_t size = size_of(tensor.dtype());
  if (tensor.extent(last) % vector_elements != 0) return "dstate is no multiple of 8";
  if (tensor.stride(last) != 1) return name + " is not contiguous along dstate";
  if (reinterpret_cast<std::uintptr_t>(tensor.data()) % vector_bytes != 0) {
    return name + " is not 16-byte aligned";
  }
  for (int axis = 0; axis < last; ++axis) {
    if (tensor.extent(axis) > 1 && tensor.stride(axis) * size % vector_bytes != 0) {
      return "stride " + std::to_string(axis) + " of " + name + " is no multiple of 16 bytes";
    }
  }
  return {};
}

std::string find_misalignment(const ssu_args& args, bool tied) {
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    // Tied, A is a scalar a head.
    if (!tensor || !each.shape.ends_in_dstate() || (tied && each.member == &ssu_args::A)) continue;
    std::string reason = misalignment_of(std::string{each.what.name}, tensor);
    if (!reason.empty()) return reason;
  }
  return {};
}

/** The first axis of all but the parameters counts the batch, which a layout must not tell. */
tensor_layout layout_of(const operand& what, const tensor_view& tensor) {
  tensor_layout layout;
  if (!tensor) return layout;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    const bool counts_batch = axis == 0 && what.leading != first_axis::none;
    if (counts_batch || tensor.extent(axis) > 1) layout.strides[axis] = tensor.stride(axis);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.data());
  constexpr auto most = static_cast<std::uintptr_t>(tensor_layout::max_alignment);
  layout.alignment = static_cast<std::int64_t>(std::gcd(address | most, most));
  return layout;
}

}  // namespace

bool is_broadcast(const tensor_view& tensor, int axis) {
  return tensor.extent(axis) == 1 || tensor.stride(axis) == 0;
}

ssu_mode mode_of(const ssu_args& args) noexcept {
  if (args.num_accepted_tokens && !args.x_ring) return ssu_mode::speculative;
  return args.cu_seqlens ? ssu_mode::varlen : ssu_mode::plain;
}

std::int64_t max_seqlen_of(const ssu_args& args) {
  switch (mode_of(args)) {
    case ssu_mode::plain:
      return 1;
    case ssu_mode::varlen:
      return args.max_seqlen > 0 ? args.max_seqlen : std::max<std::int64_t>(args.x.extent(0), 1);
    case ssu_mode::speculative:
      return args.state_batch_indices.rank() == 2 ? args.state_batch_indices.extent(1) : 1;
  }
  return 1;
}

ssu_problem problem_of(const ssu_args& args, const mamba_config& config, device where) {
  ssu_problem problem;
  problem.mode = mode_of(args);
  problem.nheads = args.state.extent(1);
  problem.dim = args.state.extent(2);
  problem.dstate = args.state.extent(3);
  problem.ngroups = args.B.extent(1);
  problem.max_seqlen = max_seqlen_of(args);
  problem.state_dtype = args.state.dtype();
  problem.x_dtype = args.x.dtype();
  problem.dt_dtype = args.dt.dtype();
  problem.A_dtype = args.A.dtype();
  problem.B_dtype = args.B.dtype();
  problem.C_dtype = args.C.dtype();
  problem.D_dtype = dtype_of(args.D);
  problem.z_dtype = dtype_of(args.z);
  problem.dt_bias_dtype = dtype_of(args.dt_bias);
  problem.out_dtype = args.out.dtype();
  problem.has_dst_state = static_cast<bool>(args.dst_state);
  problem.has_indices = static_cast<bool>(args.state_batch_indices);
  problem.has_dst_indices = static_cast<bool>(args.dst_state_batch_indices);
  problem.has_cu_seqlens = static_cast<bool>(args.cu_seqlens);
  problem.index_dtype = dtype_of(args.state_batch_indices);
  problem.dst_index_dtype = dtype_of(args.dst_state_batch_indices);
  problem.accepted_dtype = dtype_of(args.num_accepted_tokens);
  problem.cu_seqlens_dtype = dtype_of(args.cu_seqlens);
  problem.has_rand_seed = static_cast<bool>(args.rand_seed);
  problem.has_rounding_key = static_cast<bool>(args.rounding_key);
  if (args.x_ring) {
    problem.checkpoint_interval = args.checkpoint_interval;
    problem.ring_rows = args.x_ring.extent(2);
  }
  problem.has_ring_cursor = static_cast<bool>(args.ring_cursor);
  problem.slots = args.state.extent(0);
  problem.null_block_id = args.null_block_id;
  problem.dt_softplus = args.dt_softplus;
  problem.dt_min = args.dt_min;
  problem.dt_max = args.dt_max;
  problem.tied = is_tied(args);
  problem.stochastic_rounding = config.stochastic_rounding;
  if (config.stochastic_rounding)
    problem.philox_rounds = config.philox_rounds == 0 ? 10 : config.philox_rounds;
  problem.device = where;
  problem.is_blackwell = is_blackwell(where);
  problem.multiprocessors = multiprocessors(where);
  return relocated(std::move(problem), args);
}

ssu_problem relocated(ssu_problem problem, const ssu_args& args) {
  problem.misalignment = find_misalignment(args, problem.tied);
  problem.out_in_place = args.out == args.x || args.out == args.z;
  for (std::size_t i = 0; i < ssu_tensor_count; ++i)
    problem.layouts[i] = layout_of(ssu_operands[i].what, args.*ssu_operands[i].member);
  return problem;
}

ssu_problem less_aligned(ssu_problem problem, const ssu_problem& other) {
  if (problem.misalignment.empty()) problem.misalignment = other.misalignment;
  problem.out_in_place |= other.out_in_place;
  for (std::size_t i = 0; i < ssu_tensor_count; ++i) {
    problem.layouts[i].alignment =
        std::min(problem.layouts[i].alignment, other.layouts[i].alignment);
  }
  return problem;
}

bool has_dt_limits(const ssu_problem& problem) {
  return !std::isinf(problem.dt_min) || !std::isinf(problem.dt_max);
}

std::optional<dtype> dtype_of(const ssu_problem& problem, ssu_tensor tensor) {
  switch (tensor) {
    case ssu_tensor::state:
      return problem.state_dtype;
    case ssu_tensor::x:
      return problem.x_dtype;
    case ssu_tensor::B:
      return problem.B_dtype;
    case ssu_tensor::C:
      return problem.C_dtype;
    case ssu_tensor::out:
      return problem.out_dtype;
    case ssu_tensor::dt:
      return problem.dt_dtype;
    case ssu_tensor::A:
      return problem.A_dtype;
    case ssu_tensor::D:
      return problem.D_dtype;
    case ssu_tensor::z:
      return problem.z_dtype;
    case ssu_tensor::dt_bias:
      return problem.dt_bias_dtype;
    case ssu_tensor::state_batch_indices:
      return problem.index_dtype;
    case ssu_tensor::dst_state_batch_indices:
      return problem.dst_index_dtype;
    case ssu_tensor::num_accepted_tokens:
      return problem.accepted_dtype;
    case ssu_tensor::cu_seqlens:
      return problem.cu_seqlens_dtype;
    case ssu_tensor::rand_seed:
      return problem.has_rand_seed ? std::optional{dtype::int64} : std::nullopt;
    case ssu_tensor::dst_state:
      return problem.has_dst_state ? std::optional{problem.state_dtype} : std::nullopt;
    case ssu_tensor::state_scale:
      return is_scaled(problem.state_dtype) ? std::optional{dtype::float32} : std::nullopt;
    case ssu_tensor::dst_state_scale:
      return problem.has_dst_state ? dtype_of(problem, ssu_tensor::state_scale) : std::nullopt;
    case ssu_tensor::x_ring:
      return problem.checkpoint_interval > 0 ? std::optional{problem.x_dtype} : std::nullopt;
    case ssu_tensor::B_ring:
      return problem.checkpoint_interval > 0 ? std::optional{problem.B_dtype} : std::nullopt;
    case ssu_tensor::dt_ring:
      return problem.checkpoint_interval > 0 ? std::optional{dtype::float32} : std::nullopt;
    case ssu_tensor::ring_cursor:
      return problem.has_ring_cursor ? std::optional{dtype::int32} : std::nullopt;
    case ssu_tensor::ring_plan:
      return problem.checkpoint_interval > 0 && !problem.has_ring_cursor
                 ? std::optional{dtype::int32}
                 : std::nullopt;
    case ssu_tensor::rounding_key:
      return problem.has_rounding_key ? std::optional{dtype::int64} : std::nullopt;
  }
  return std::nullopt;
}

std::int64_t extent_of(const ssu_problem& problem, ssu_axis axis) {
  switch (axis) {
    case ssu_axis::nheads:
      return problem.nheads;
    case ssu_axis::ngroups:
      return problem.ngroups;
    case ssu_axis::dim:
      return problem.dim;
    case ssu_axis::dstate:
      return problem.dstate;
    case ssu_axis::ring:
      return problem.ring_rows;
    case ssu_axis::slots:
    case ssu_axis::rows:
      break;
  }
  return 1;
}

sequence_rule rule_of(const ssu_problem& problem, const ssu_args& args) {
  return {.indices = index_of(args.state_batch_indices),
          .dst_indices = index_of(args.dst_state_batch_indices),
          .accepted = args.x_ring ? index_tensor{} : index_of(args.num_accepted_tokens),
          .cu_seqlens = index_of(args.cu_seqlens),
          .slots = args.state.extent(0),
          .dst_slots = (args.dst_state ? args.dst_state : args.state).extent(0),
          .rows = args.x.extent(0),
          .max_seqlen = problem.max_seqlen,
          .null_block_id = problem.null_block_id,
          .is_apart = problem.has_dst_state};
}

std::optional<ring_rule> ring_rule_of(const ssu_args& args) {
  if (!args.x_ring) return std::nullopt;
  return ring_rule{.cursor = index_of(args.ring_cursor),
                   .accepted = index_of(args.ring_plan ? tensor_view{} : args.num_accepted_tokens),
                   .slots = args.state.extent(0),
                   .rows = args.x_ring.extent(2),
                   .interval = args.checkpoint_interval};
}

}  // namespace ssugraph::detail
