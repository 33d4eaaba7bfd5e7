#include "lib/ops/ssu/backends/triton/lowering.hpp"

#include "ssugraph_triton/arguments.hpp"

#include <cstdint>

namespace ssugraph::detail::triton {
namespace {

// What kernel/memory.py calls ABSENT, and kernel/sequence.py ABSENT_INDEX, INT32 and INT64.
constexpr std::int32_t absent_float = 3;
constexpr std::int32_t absent_index = 0;
constexpr std::int32_t narrow_index = 1;
constexpr std::int32_t wide_index = 2;

constexpr std::int32_t number_of(dtype type) {
  return static_cast<std::int32_t>(type);
}
static_assert(
    number_of(dtype::float32) == 0 && number_of(dtype::float16) == 1 &&
        number_of(dtype::bfloat16) == 2,
    "kernel/memory.py knows floating dtypes by these numbers, and 3 for an absent tensor");

std::int32_t float_type(const tensor_view& tensor) {
  return tensor ? number_of(tensor.dtype()) : absent_float;
}

std::int32_t index_kind(const tensor_view& tensor) {
  if (!tensor) return absent_index;
  return tensor.dtype() == dtype::int64 ? wide_index : narrow_index;
}

std::int64_t stride(const tensor_view& tensor, int axis) {
  return axis < tensor.rank() ? tensor.stride(axis) : 0;
}

triton_arguments arguments_of(const ssu_problem& problem, const ssu_args& args,
                              const launch_context& context) {
  return {
      .state = args.state.data(),
      .x = args.x.data(),
      .dt = args.dt.data(),
      .z = args.z.data(),
      .out = args.out.data(),
      .A = args.A.data(),
      .B = args.B.data(),
      .C = args.C.data(),
      .D = args.D.data(),
      .dt_bias = args.dt_bias.data(),
      .state_batch_indices = args.state_batch_indices.data(),
      .dst_state_batch_indices = args.dst_state_batch_indices.data(),
      .num_accepted_tokens = args.num_accepted_tokens.data(),
      .cu_seqlens = args.cu_seqlens.data(),
      .rand_seed = args.rand_seed.data(),
      .state_stride_0 = stride(args.state, 0),
      .state_stride_1 = stride(args.state, 1),
      .state_stride_2 = stride(args.state, 2),
      .state_stride_3 = stride(args.state, 3),
      .x_stride_0 = stride(args.x, 0),
      .x_stride_1 = stride(args.x, 1),
      .x_stride_2 = stride(args.x, 2),
      .dt_stride_0 = stride(args.dt, 0),
      .dt_stride_1 = stride(args.dt, 1),
      .dt_stride_2 = stride(args.dt, 2),
      .z_stride_0 = stride(args.z, 0),
      .z_stride_1 = stride(args.z, 1),
      .z_stride_2 = stride(args.z, 2),
      .out_stride_0 = stride(args.out, 0),
      .out_stride_1 = stride(args.out, 1),
      .out_stride_2 = stride(args.out, 2),
      .A_stride_0 = stride(args.A, 0),
      .A_stride_1 = stride(args.A, 1),
      .A_stride_2 = stride(args.A, 2),
      .B_stride_0 = stride(args.B, 0),
      .B_stride_1 = stride(args.B, 1),
      .B_stride_2 = stride(args.B, 2),
      .C_stride_0 = stride(args.C, 0),
      .C_stride_1 = stride(args.C, 1),
      .C_stride_2 = stride(args.C, 2),
      .D_stride_0 = stride(args.D, 0),
      .D_stride_1 = stride(args.D, 1),
      .dt_bias_stride_0 = stride(args.dt_bias, 0),
      .dt_bias_stride_1 = stride(args.dt_bias, 1),
      .index_stride_0 = stride(args.state_batch_indices, 0),
      .index_stride_1 = stride(args.state_batch_indices, 1),
      .dst_stride_0 = stride(args.dst_state_batch_indices, 0),
      .dst_stride_1 = stride(args.dst_state_batch_indices, 1),
      .accepted_stride_0 = stride(args.num_accepted_tokens, 0),
      .cu_seqlens_stride_0 = stride(args.cu_seqlens, 0),
      .drawn_seed = context.drawn_seed,
      .slots = args.state.extent(0),
      .rows = args.x.extent(0),
      .max_seqlen = problem.max_seqlen,
      .null_block_id = problem.null_block_id,
      .dim = static_cast<std::int32_t>(problem.dim),
      .dstate = static_cast<std::int32_t>(problem.dstate),
      .heads_per_group = static_cast<std::int32_t>(problem.nheads / problem.ngroups),
      .philox_rounds = problem.philox_rounds,
      .dt_min = problem.dt_min,
      .dt_max = problem.dt_max,
      .io_type = float_type(args.x),
      .dt_type = float_type(args.dt),
      .A_type = float_type(args.A),
      .D_type = float_type(args.D),
      .dt_bias_type = float_type(args.dt_bias),
      .index_kind = index_kind(args.state_batch_indices),
      .dst_kind = index_kind(args.dst_state_batch_indices),
      .accepted_kind = index_kind(args.num_accepted_tokens),
      .cu_seqlens_kind = index_kind(args.cu_seqlens),
      .has_rand_seed = static_cast<bool>(args.rand_seed),
      .has_z = static_cast<bool>(args.z),
      .dt_softplus = problem.dt_softplus,
      .reads_ahead = context.state_ahead,
  };
}

}  // namespace

kernel_launch lowered(const ssu_plan& plan, std::int64_t sequences, const triton_image& image,
                      const void* kernel, const ssu_args& args, const launch_context& context) {
  const dim3 grid{static_cast<unsigned>(sequences), static_cast<unsigned>(plan.grid[1]),
                  static_cast<unsigned>(plan.grid[2])};
  const dim3 block{static_cast<unsigned>(plan.tile.threads)};
  kernel_launch launch =
      triton_launch(kernel, grid, block, arguments_of(plan.problem, args, context));
  launch.set_shared_bytes(image.shared_bytes);
  return launch;
}

}  // namespace ssugraph::detail::triton
