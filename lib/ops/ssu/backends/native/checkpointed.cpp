#include "lib/ops/ssu/backends/native/checkpointed.hpp"

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/backends/native/choice.hpp"
#include "lib/ops/ssu/backends/native/format.hpp"
#include "lib/ops/ssu/backends/native/params.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"
#include "lib/ops/ssu/backends/native/ring_kernels.hpp"
#include "lib/ops/ssu/backends/native/ring_params.hpp"
#include "lib/ops/ssu/backends/ssu_kernel.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/step/planned_step.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

namespace ssugraph::detail::native {
namespace {

// --- Which tile

std::size_t stage_bytes(const ssu_problem& problem, int lanes, const tile_choice& tile) {
  return ring_stage_bytes(lanes, tile.rows_of_block(lanes), problem.ring_rows, problem.max_seqlen);
}

/** Beside what a block stages it may have a little for its scan. */
constexpr std::size_t max_stage_bytes = max_static_shared_bytes - 512;

/** The blocks for `rows` a thread that cut dim with the least rest, then those of usual size, as
 *  far as what they stage fits. Of the smallest blocks it always does. */
tile_choice best_tile(const ssu_problem& problem, int lanes, int rows) {
  tile_choice best{rows, min_workers};
  const auto cost = [&](const tile_choice& tile) {
    const int of_block = tile.rows_of_block(lanes);
    return std::pair{tiles_of(problem.dim, of_block) * of_block,
                     std::abs(tile.workers - usual_workers)};
  };
  for (int workers = min_workers; workers <= max_workers(state_access::along_dstate);
       workers += warp_threads) {
    const tile_choice tile{rows, workers};
    if (stage_bytes(problem, lanes, tile) > max_stage_bytes) continue;
    if (cost(tile) < cost(best)) best = tile;
  }
  return best;
}

/** By descending rows. */
std::vector<tile_choice> tiles_for(const ssu_problem& problem, int lanes) {
  std::vector<tile_choice> tiles;
  for (int rows = max_rows; rows > 1; rows /= 2) {
    if (is_ring_compiled(lanes, rows, state_access::along_dstate))
      tiles.push_back(best_tile(problem, lanes, rows));
  }
  return tiles;
}

/** As for plain steps of one token: few blocks take fewer rows. */
tile_choice usual_tile(const ssu_problem& problem, std::int64_t sequences, int lanes,
                       const std::vector<tile_choice>& tiles) {
  const tile_choice& most = tiles.front();
  const std::int64_t blocks =
      sequences * problem.nheads * tiles_of(problem.dim, most.rows_of_block(lanes));
  return blocks >= enough_blocks(true, multiprocessors_of(problem)) ? most : tiles.back();
}

algorithm_choice by_element(const ssu_problem& problem, std::string reason) {
  return {state_access::by_element, warp_threads, best_tile(problem, warp_threads, scalar_rows),
          std::move(reason)};
}

algorithm_choice choose_ring(const ssu_problem& problem, std::int64_t sequences,
                             const std::string& algorithm) {
  const std::string why_no_vectors = native::why_not(problem, state_access::along_dstate);
  if (algorithm == "scalar") return by_element(problem, "as asked");
  if (algorithm == "auto" && !why_no_vectors.empty()) return by_element(problem, why_no_vectors);
  const int lanes = lanes_for(problem.dstate, 1);
  const std::vector<tile_choice> tiles = tiles_for(problem, lanes);
  const bool any_tile = algorithm == "auto" || algorithm == "vector";
  const auto named = std::ranges::find(tiles, algorithm, &tile_choice::name);
  if (!any_tile && named == tiles.end()) {
    std::string names = "auto, vector, scalar";
    for (const tile_choice& each : tiles)
      names += ", " + each.name();
    throw refusal("algorithm '" + algorithm + "' is none of " + names);
  }
  if (!why_no_vectors.empty()) throw refusal("algorithm " + algorithm + ": " + why_no_vectors);
  return {state_access::along_dstate, lanes,
          any_tile ? usual_tile(problem, sequences, lanes, tiles) : *named,
          any_tile ? "16-byte accesses" : "as asked"};
}

/** One launch of one of the kernels. */
class native_checkpointed final : public ssu_kernel {
 public:
  native_checkpointed(const ssu_problem& problem, std::int64_t sequences,
                      const algorithm_choice& choice)
      : ssu_kernel{describe(problem, sequences, choice),
                   !problem.has_cu_seqlens || problem.max_seqlen <= max_tokens_ahead},
        access_{choice.access},
        shared_bytes_{static_cast<unsigned>(stage_bytes(problem, choice.lanes, choice.tile))},
        kernel_{of_format(problem, [&]<dtype State, bool Rounding>() {
          return find_ring_kernel<State, Rounding>(choice.lanes, choice.tile.rows, choice.access);
        })} {}

  [[nodiscard]] std::string why_not(const ssu_problem& problem) const override {
    return native::why_not(problem, access_);
  }

 private:
  [[nodiscard]] const void* kernel() const override { return kernel_; }
  [[nodiscard]] kernel_launch lower(const ssu_args& args,
                                    const launch_context& context) const override;

  state_access access_;
  unsigned shared_bytes_;
  const void* kernel_;
};

kernel_launch native_checkpointed::lower(const ssu_args& args,
                                         const launch_context& context) const {
  const ssu_problem& problem = plan().problem;
  const std::int64_t sequences = launched(context.sequences);
  const ring_params params{
      .ssu = params_of(plan(), args, context, sequences),
      .x_ring = lowered<4>(args.x_ring),
      .B_ring = lowered<4>(args.B_ring),
      .dt_ring = lowered<3>(args.dt_ring),
      .plan = index_of(args.ring_plan),
      .rounding_key = static_cast<const std::int64_t*>(args.rounding_key.data()),
      .key_stride = args.rounding_key ? args.rounding_key.stride(0) : 0,
      .ring_rows = static_cast<std::int32_t>(problem.ring_rows),
      .max_tokens = static_cast<std::int32_t>(problem.max_seqlen),
  };
  const auto blocks = static_cast<unsigned>(sequences * plan().grid[1] * plan().grid[2]);
  kernel_launch launch{kernel_, dim3{blocks}, dim3{static_cast<unsigned>(plan().tile.threads)},
                       params};
  launch.set_shared_bytes(shared_bytes_);
  return launch;
}

}  // namespace

std::shared_ptr<planned_ssu> resolve_checkpointed(const ssu_problem& problem,
                                                  std::int64_t sequences,
                                                  const std::string& algorithm) {
  return std::make_shared<native_checkpointed>(problem, sequences,
                                               choose_ring(problem, sequences, algorithm));
}

std::vector<ssu_plan> checkpointed_candidates(const ssu_problem& problem, std::int64_t sequences) {
  const algorithm_choice usual = choose_ring(problem, sequences, "auto");
  std::vector<ssu_plan> all{describe(problem, sequences, usual)};
  if (usual.access == state_access::by_element) return all;
  for (const tile_choice& tile : tiles_for(problem, usual.lanes)) {
    if (tile == usual.tile) continue;
    all.push_back(describe(problem, sequences, choose_ring(problem, sequences, tile.name())));
  }
  return all;
}

}  // namespace ssugraph::detail::native
