#include "lib/backends/native/native.hpp"

#include "lib/backends/native/kernels.hpp"
#include "lib/backends/native/policy.hpp"
#include "lib/backends/native/ssu_params.hpp"
#include "lib/ssu/tensors.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::detail {
namespace {

constexpr std::int64_t max_blocks = std::numeric_limits<std::int32_t>::max();
constexpr int min_lanes = 2;
constexpr int max_lanes = 32;
constexpr int warp_threads = 32;

/** The fewest threads that hold a row of dstate, eight elements each. */
int lanes_for(std::int64_t dstate) {
  const auto octets = static_cast<unsigned>((dstate + octet_size - 1) / octet_size);
  return std::max(min_lanes, static_cast<int>(std::bit_ceil(octets)));
}

std::int64_t tiles_of(std::int64_t dim, int rows) {
  return (dim + rows - 1) / rows;
}

/** Why a kernel that steps by 32-bit strides cannot serve; empty if it can. The stride over slots
 * is wide in every kernel. */
std::string why_no_vectors(const ssu_problem& problem) {
  if (!problem.misalignment.empty()) return problem.misalignment;
  constexpr std::int64_t max_stride = std::numeric_limits<std::int32_t>::max();
  for (const ssu_tensor tensor :
       {ssu_tensor::state, ssu_tensor::x, ssu_tensor::dt, ssu_tensor::A, ssu_tensor::B,
        ssu_tensor::C, ssu_tensor::D, ssu_tensor::z, ssu_tensor::dt_bias, ssu_tensor::out}) {
    const auto& strides = problem.layout(tensor).strides;
    for (std::size_t axis = tensor == ssu_tensor::state ? 1 : 0; axis < strides.size(); ++axis) {
      constexpr std::int64_t most = max_stride / size_of(dtype::float32);
      if (strides[axis] > most || strides[axis] < -most) {
        return "stride " + std::to_string(axis) + " of " +
               std::string{tensor_fields[static_cast<std::size_t>(tensor)].name} +
               " is too long for 32 bits";
      }
    }
  }
  return {};
}

kernel_key key_of(const ssu_problem& problem, int lanes, int rows, bool vector) {
  return {.lanes = lanes,
          .rows = rows,
          .vector = vector,
          .wide_io = problem.io_dtype == dtype::float32,
          .tied = problem.tied,
          .one_token = !problem.has_cu_seqlens};
}

/** Rows of a thread, and threads of a block that hold rows. */
struct tile_choice {
  int rows;
  int workers;

  [[nodiscard]] int rows_of_block(int lanes) const { return workers / lanes * rows; }
  [[nodiscard]] std::string name() const {
    return std::to_string(rows) + "x" + std::to_string(workers);
  }
};

/** The blocks for `rows` a thread that cut dim with the least rest, then those of usual size. */
tile_choice best_workers(std::int64_t dim, int lanes, int rows) {
  const int usual = lanes == min_lanes ? min_workers : usual_workers;
  tile_choice best{rows, usual};
  const auto cost = [&](const tile_choice& tile) {
    const int of_block = tile.rows_of_block(lanes);
    return std::pair{tiles_of(dim, of_block) * of_block, std::abs(tile.workers - usual)};
  };
  for (int workers = min_workers; workers <= max_workers; workers += warp_threads) {
    const tile_choice tile{rows, workers};
    if (cost(tile) < cost(best)) best = tile;
  }
  return best;
}

/** The tiles for vector access, by descending rows. */
std::vector<tile_choice> vector_tiles(const ssu_problem& problem) {
  const int lanes = lanes_for(problem.dstate);
  std::vector<tile_choice> tiles;
  for (int rows = max_rows; rows > 1; rows /= 2) {
    const kernel_key key = key_of(problem, lanes, rows, true);
    const tile_choice tile = best_workers(problem.dim, lanes, rows);
    const bool whole = problem.dim % tile.rows_of_block(lanes) == 0;
    if (is_compiled(key) && (whole || !takes_whole_tiles(key))) tiles.push_back(tile);
  }
  return tiles;
}

/** The tile that the policy takes. */
tile_choice usual_tile(const ssu_problem& problem, std::int64_t sequences) {
  const int lanes = lanes_for(problem.dstate);
  const int enough = enough_blocks(!problem.has_cu_seqlens);
  const std::vector<tile_choice> tiles = vector_tiles(problem);
  return *std::ranges::find_if(tiles, [&](const tile_choice& tile) {
    const std::int64_t tiles_of_head = tiles_of(problem.dim, tile.rows_of_block(lanes));
    return tile.rows < max_rows || sequences * problem.nheads * tiles_of_head >= enough;
  });
}

/** How a problem is done, and why so. */
struct algorithm_choice {
  bool vector;
  tile_choice tile;
  std::string reason;
};

unsupported refusal(std::string reason) {
  return unsupported{{{"native", std::move(reason)}}};
}

algorithm_choice choose(const ssu_problem& problem, std::int64_t sequences,
                        const std::string& algorithm) {
  const std::string why_not = why_no_vectors(problem);
  if (algorithm == "scalar") return {false, {scalar_rows, usual_workers}, "as asked"};
  if (algorithm == "auto" && !why_not.empty())
    return {false, {scalar_rows, usual_workers}, why_not};

  const bool any_tile = algorithm == "auto" || algorithm == "vector";
  const std::vector<tile_choice> tiles = vector_tiles(problem);
  const auto named = std::ranges::find(tiles, algorithm, &tile_choice::name);
  if (!any_tile && named == tiles.end()) {
    std::string names = "auto, vector, scalar";
    for (const tile_choice& each : tiles)
      names += ", " + each.name();
    throw refusal("algorithm '" + algorithm + "' is none of " + names);
  }
  if (!why_not.empty()) throw refusal("algorithm " + algorithm + ": " + why_not);
  if (any_tile) return {true, usual_tile(problem, sequences), "16-byte accesses"};
  return {true, *named, "as asked"};
}

template <int Rank>
strided<Rank> lowered(const tensor_view& tensor) {
  strided<Rank> result{.data = tensor.data(), .stride = {}, .type = tensor.dtype()};
  std::ranges::transform(tensor.strides(), result.stride,
                         [&](std::int64_t stride) { return stride * size_of(tensor.dtype()); });
  return result;
}

/** `tensor`, or where it is unbound something of its dtype to read in its place: no load of the
 * kernel hangs on what is bound. */
template <int Rank>
strided<Rank> lowered_or(const tensor_view& tensor, const tensor_view& instead) {
  if (tensor) return lowered<Rank>(tensor);
  return {.data = instead.data(), .stride = {}, .type = instead.dtype()};
}

index_tensor lowered_index(const tensor_view& tensor) {
  index_tensor result{.data = tensor.data(), .stride = {}, .wide = tensor.dtype() == dtype::int64};
  std::ranges::copy(tensor.strides(), result.stride);
  return result;
}

fast_divisor divisor(std::int64_t number) {
  return fast_divisor{static_cast<std::uint32_t>(number)};
}

}  // namespace

std::string native_backend::name() const {
  return "native";
}

support native_backend::supports(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {"it runs on CUDA and the tensors live in host memory"};
  if (problem.nheads > max_blocks / problem.dim) {
    return {"more than 2^31 - 1 rows of dim in all heads"};
  }
  return {};
}

ssu_plan native_backend::plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const {
  const auto [vector, tile, reason] = choose(problem, sequences, algorithm);
  const int lanes = vector ? lanes_for(problem.dstate) : max_lanes;
  ssu_plan plan;
  plan.backend = name();
  plan.algorithm = vector ? tile.name() : "scalar";
  plan.reason = reason;
  plan.sequences = sequences;
  plan.tile = {.rows = tile.rows_of_block(lanes), .lanes = lanes, .threads = tile.workers};
  plan.grid = {sequences, problem.nheads, tiles_of(problem.dim, plan.tile.rows)};
  plan.problem = problem;
  if (sequences > max_blocks / (problem.nheads * plan.grid[2])) {
    throw refusal("more than 2^31 - 1 blocks");
  }
  return plan;
}

std::vector<ssu_plan> native_backend::candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const {
  std::vector<ssu_plan> all{plan(problem, sequences, "auto")};
  if (all.front().algorithm == "scalar") return all;
  for (const tile_choice& tile : vector_tiles(problem)) {
    if (tile.name() != all.front().algorithm) {
      all.push_back(plan(problem, sequences, tile.name()));
    }
  }
  return all;
}

const void* native_backend::kernel(const ssu_plan& plan) const {
  const ssu_problem& problem = plan.problem;
  const int groups = plan.tile.threads / plan.tile.lanes;
  const kernel_key key =
      key_of(problem, plan.tile.lanes, plan.tile.rows / groups, plan.algorithm != "scalar");
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

bool native_backend::can_trigger_ahead(const ssu_plan& plan) const {
  return !plan.problem.has_cu_seqlens || plan.problem.max_seqlen <= max_tokens_ahead;
}

kernel_launch native_backend::lower(const ssu_plan& plan, const ssu_args& args,
                                    const launch_context& context) const {
  const ssu_problem& problem = plan.problem;
  const ssu_params params{
      .state = lowered<4>(args.state),
      .x = lowered<3>(args.x),
      .dt = lowered<3>(args.dt),
      .z = lowered_or<3>(args.z, args.x),
      .out = lowered<3>(args.out),
      .A = lowered<3>(args.A),
      .B = lowered<3>(args.B),
      .C = lowered<3>(args.C),
      .D = lowered_or<2>(args.D, args.A),
      .dt_bias = lowered_or<2>(args.dt_bias, args.A),
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
      .dim = static_cast<std::uint32_t>(problem.dim),
      .dstate = static_cast<std::uint32_t>(problem.dstate),
      .heads_per_group = divisor(problem.nheads / problem.ngroups),
      .tiles = divisor(plan.grid[2]),
      .heads = divisor(problem.nheads),
      .sequences = static_cast<std::uint32_t>(plan.sequences),
      .workers = static_cast<std::uint32_t>(plan.tile.threads),
      .philox_rounds = problem.philox_rounds,
      .has_D = problem.D_dtype.has_value(),
      .has_dt_bias = problem.dt_bias_dtype.has_value(),
      .has_z = problem.has_z,
      .dt_softplus = problem.dt_softplus,
      .state_ahead = context.state_ahead,
      .inputs_ahead = context.inputs_ahead,
      .triggers_ahead = context.triggers_ahead,
  };
  const auto blocks = static_cast<unsigned>(plan.grid[0] * plan.grid[1] * plan.grid[2]);
  const bool waits_apart =
      !problem.has_cu_seqlens && context.state_ahead && !context.triggers_ahead;
  const int threads = plan.tile.threads + (waits_apart ? waiting_threads : 0);
  return {kernel(plan), dim3{blocks}, dim3{static_cast<unsigned>(threads)}, params};
}

}  // namespace ssugraph::detail
