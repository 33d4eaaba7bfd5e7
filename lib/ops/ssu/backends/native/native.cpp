#include "lib/ops/ssu/backends/native/native.hpp"

#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/native/kernels.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"
#include "lib/ops/ssu/backends/native/ssu_params.hpp"
#include "lib/ops/ssu/backends/ssu_kernel.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::detail::native {
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
  constexpr std::int64_t most = max_stride / size_of(dtype::float32);
  for (std::size_t i = 0; i < ssu_tensor_count; ++i) {
    const ssu_operand& each = ssu_operands[i];
    if (each.shape.rank == 0) continue;
    const auto& strides = problem.layouts[i].strides;
    for (std::size_t axis = each.what.leading == first_axis::slots ? 1 : 0; axis < strides.size();
         ++axis) {
      if (strides[axis] > most || strides[axis] < -most) {
        return "stride " + std::to_string(axis) + " of " + std::string{each.what.name} +
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
  bool operator==(const tile_choice&) const = default;
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
  const int enough = enough_blocks(!problem.has_cu_seqlens, multiprocessors_of(problem));
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

fast_divisor divisor(std::int64_t number) {
  return fast_divisor{static_cast<std::uint32_t>(number)};
}

template <dtype State, bool Rounding = false>
const void* kernel_of(const kernel_key& key) {
  if (key.tied) {
    return key.one_token ? find_kernel<State, Rounding, true, true>(key)
                         : find_kernel<State, Rounding, true, false>(key);
  }
  return key.one_token ? find_kernel<State, Rounding, false, true>(key)
                       : find_kernel<State, Rounding, false, false>(key);
}

/** The kernel for states of that dtype. */
const void* kernel_for(const ssu_problem& problem, const kernel_key& key) {
  const bool rounded = problem.stochastic_rounding;
  switch (problem.state_dtype) {
    case dtype::float16:
      return rounded ? kernel_of<dtype::float16, true>(key) : kernel_of<dtype::float16>(key);
    case dtype::bfloat16:
      return rounded ? kernel_of<dtype::bfloat16, true>(key) : kernel_of<dtype::bfloat16>(key);
    case dtype::float32:
      if (!rounded) return kernel_of<dtype::float32>(key);
      [[fallthrough]];
    case dtype::int32:
    case dtype::int64:
    case dtype::int8:
    case dtype::int16:
    case dtype::float8_e4m3:
      break;
  }
  throw refusal("no kernel for " + std::string{rounded ? "rounded " : ""} + "states of " +
                std::string{to_string(problem.state_dtype)});
}

ssu_plan describe(const ssu_problem& problem, std::int64_t sequences,
                  const algorithm_choice& choice) {
  const int lanes = choice.vector ? lanes_for(problem.dstate) : max_lanes;
  ssu_plan plan;
  plan.backend = "native";
  plan.algorithm = choice.vector ? choice.tile.name() : "scalar";
  plan.reason = choice.reason;
  plan.sequences = sequences;
  plan.tile = {
      .rows = choice.tile.rows_of_block(lanes), .lanes = lanes, .threads = choice.tile.workers};
  plan.grid = {sequences, problem.nheads, tiles_of(problem.dim, plan.tile.rows)};
  plan.problem = problem;
  if (sequences > max_blocks / (problem.nheads * plan.grid[2])) {
    throw refusal("more than 2^31 - 1 blocks");
  }
  return plan;
}

/** One launch of one of the kernels. */
class native_ssu final : public ssu_kernel {
 public:
  native_ssu(const ssu_problem& problem, std::int64_t sequences, const algorithm_choice& choice)
      : ssu_kernel{describe(problem, sequences, choice),
                   !problem.has_cu_seqlens || problem.max_seqlen <= max_tokens_ahead},
        vector_{choice.vector},
        kernel_{kernel_for(problem,
                           key_of(problem, plan().tile.lanes, choice.tile.rows, choice.vector))} {}

  [[nodiscard]] std::string why_not(const ssu_problem& problem) const override {
    return vector_ ? why_no_vectors(problem) : std::string{};
  }

 private:
  [[nodiscard]] const void* kernel() const override { return kernel_; }
  [[nodiscard]] kernel_launch lower(const ssu_args& args,
                                    const launch_context& context) const override;

  bool vector_;
  const void* kernel_;
};

kernel_launch native_ssu::lower(const ssu_args& args, const launch_context& context) const {
  const ssu_problem& problem = plan().problem;
  const sequence_rule rule = rule_of(problem, args);
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
      .indices = rule.indices,
      .dst_indices = rule.dst_indices,
      .accepted = rule.accepted,
      .cu_seqlens = rule.cu_seqlens,
      .rand_seed = static_cast<const std::int64_t*>(args.rand_seed.data()),
      .drawn_seed = context.drawn_seed,
      .slots = rule.slots,
      .rows = rule.rows,
      .max_seqlen = rule.max_seqlen,
      .null_block_id = rule.null_block_id,
      .dim = static_cast<std::uint32_t>(problem.dim),
      .dstate = static_cast<std::uint32_t>(problem.dstate),
      .heads_per_group = divisor(problem.nheads / problem.ngroups),
      .tiles = divisor(plan().grid[2]),
      .heads = divisor(problem.nheads),
      .sequences = static_cast<std::uint32_t>(plan().sequences),
      .workers = static_cast<std::uint32_t>(plan().tile.threads),
      .philox_rounds = problem.philox_rounds,
      .has_D = problem.D_dtype.has_value(),
      .has_dt_bias = problem.dt_bias_dtype.has_value(),
      .has_z = problem.has_z,
      .dt_softplus = problem.dt_softplus,
      .state_ahead = context.state_ahead,
      .inputs_ahead = context.inputs_ahead,
      .triggers_ahead = context.triggers_ahead,
  };
  const auto blocks = static_cast<unsigned>(plan().grid[0] * plan().grid[1] * plan().grid[2]);
  const bool waits_apart =
      !problem.has_cu_seqlens && context.state_ahead && !context.triggers_ahead;
  const int threads = plan().tile.threads + (waits_apart ? waiting_threads : 0);
  return {kernel_, dim3{blocks}, dim3{static_cast<unsigned>(threads)}, params};
}

}  // namespace

std::string native_backend::name() const {
  return "native";
}

backend_features native_backend::features() const {
  return features_of_0_1();
}

support native_backend::serves(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {"it runs on CUDA and the tensors live in host memory"};
  if (problem.nheads > max_blocks / problem.dim) {
    return {"more than 2^31 - 1 rows of dim in all heads"};
  }
  return {};
}

std::shared_ptr<planned_ssu> native_backend::resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const {
  return std::make_shared<native_ssu>(problem, sequences, choose(problem, sequences, algorithm));
}

std::vector<ssu_plan> native_backend::candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const {
  const algorithm_choice usual = choose(problem, sequences, "auto");
  std::vector<ssu_plan> all{describe(problem, sequences, usual)};
  if (!usual.vector) return all;
  for (const tile_choice& tile : vector_tiles(problem)) {
    if (tile != usual.tile) all.push_back(plan(problem, sequences, tile.name()));
  }
  return all;
}

}  // namespace ssugraph::detail::native
