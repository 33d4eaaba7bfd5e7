#include "lib/backends/native/native.hpp"

#include "lib/backends/native/kernels.hpp"
#include "lib/backends/native/policy.hpp"
#include "lib/backends/native/ssu_params.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <bit>
#include <limits>

namespace ssugraph::detail {
namespace {

constexpr std::int64_t max_grid_x = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t max_grid_yz = 65535;
constexpr int min_lanes = 2;
constexpr int max_lanes = 32;

/** The fewest threads that hold a row of dstate, eight elements each. */
int lanes_for(std::int64_t dstate) {
  const auto octets = static_cast<unsigned>((dstate + octet_size - 1) / octet_size);
  return std::max(min_lanes, static_cast<int>(std::bit_ceil(octets)));
}

int tile_rows(int lanes) {
  return block_threads / lanes * rows_per_thread;
}

std::int64_t tiles_of(std::int64_t dim, int rows) {
  return (dim + rows - 1) / rows;
}

template <int Rank>
strided<Rank> lowered(const tensor_view& tensor) {
  strided<Rank> result{.data = tensor.data(), .stride = {}, .type = tensor.dtype()};
  std::ranges::copy(tensor.strides(), result.stride);
  return result;
}

index_tensor lowered_index(const tensor_view& tensor) {
  index_tensor result{.data = tensor.data(), .stride = {}, .wide = tensor.dtype() == dtype::int64};
  std::ranges::copy(tensor.strides(), result.stride);
  return result;
}

}  // namespace

std::string native_backend::name() const {
  return "native";
}

support native_backend::supports(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {"it runs on CUDA and the tensors live in host memory"};
  if (problem.nheads > max_grid_yz) return {"more than 65535 heads"};
  if (tiles_of(problem.dim, tile_rows(max_lanes)) > max_grid_yz) {
    return {"dim above " + std::to_string(max_grid_yz * tile_rows(max_lanes))};
  }
  return {};
}

ssu_plan native_backend::plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const {
  const auto refuse = [&](std::string reason) {
    return unsupported{{{name(), std::move(reason)}}};
  };
  if (algorithm != "auto" && algorithm != "vector" && algorithm != "scalar") {
    throw refuse("algorithm '" + algorithm + "' is none of auto, vector, scalar");
  }
  if (algorithm == "vector" && !problem.misalignment.empty()) {
    throw refuse("algorithm vector: " + problem.misalignment);
  }
  if (sequences > max_grid_x) throw refuse("more than 2^31 - 1 sequences");
  const bool vector = problem.misalignment.empty() && algorithm != "scalar";
  const int lanes = vector ? lanes_for(problem.dstate) : max_lanes;

  ssu_plan plan;
  plan.backend = name();
  plan.algorithm = vector ? "vector" : "scalar";
  plan.reason = vector                  ? "16-byte accesses"
                : algorithm == "scalar" ? "as asked"
                                        : problem.misalignment;
  plan.sequences = sequences;
  plan.tile = {.rows = tile_rows(lanes), .lanes = lanes, .threads = block_threads};
  plan.grid = {sequences, problem.nheads, tiles_of(problem.dim, plan.tile.rows)};
  plan.problem = problem;
  return plan;
}

const void* native_backend::kernel(const ssu_plan& plan) const {
  const ssu_problem& problem = plan.problem;
  const kernel_key key{.io = problem.io_dtype,
                       .lanes = plan.tile.lanes,
                       .vector = plan.algorithm == "vector",
                       .tied = problem.tied,
                       .one_token = !problem.has_cu_seqlens};
  switch (problem.state_dtype) {
    case dtype::float16:
      return problem.stochastic_rounding ? rounded_float16_state_kernel(key)
                                         : float16_state_kernel(key);
    case dtype::bfloat16:
      return problem.stochastic_rounding ? rounded_bfloat16_state_kernel(key)
                                         : bfloat16_state_kernel(key);
    default:
      return float32_state_kernel(key);
  }
}

kernel_launch native_backend::lower(const ssu_plan& plan, const ssu_args& args,
                                    const launch_context& context) const {
  const ssu_problem& problem = plan.problem;
  const ssu_params params{
      .state = lowered<4>(args.state),
      .x = lowered<3>(args.x),
      .dt = lowered<3>(args.dt),
      .z = lowered<3>(args.z),
      .out = lowered<3>(args.out),
      .A = lowered<3>(args.A),
      .B = lowered<3>(args.B),
      .C = lowered<3>(args.C),
      .D = lowered<2>(args.D),
      .dt_bias = lowered<2>(args.dt_bias),
      .indices = lowered_index(args.state_batch_indices),
      .dst_indices = lowered_index(args.dst_state_batch_indices),
      .accepted = lowered_index(args.num_accepted_tokens),
      .cu_seqlens = lowered_index(args.cu_seqlens),
      .rand_seed = static_cast<const std::int64_t*>(args.rand_seed.data()),
      .drawn_seed = context.drawn_seed,
      .slots = args.state.extent(0),
      .rows = args.x.extent(0),
      .max_seqlen = problem.max_seqlen,
      .null_block_id = args.null_block_id,
      .dim = static_cast<std::int32_t>(problem.dim),
      .dstate = static_cast<std::int32_t>(problem.dstate),
      .heads_per_group = static_cast<std::int32_t>(problem.nheads / problem.ngroups),
      .philox_rounds = problem.philox_rounds,
      .dt_softplus = problem.dt_softplus,
      .reads_ahead = context.reads_ahead,
  };
  const dim3 grid{static_cast<unsigned>(plan.grid[0]), static_cast<unsigned>(plan.grid[1]),
                  static_cast<unsigned>(plan.grid[2])};
  return {kernel(plan), grid, dim3{static_cast<unsigned>(plan.tile.threads)}, params};
}

}  // namespace ssugraph::detail
