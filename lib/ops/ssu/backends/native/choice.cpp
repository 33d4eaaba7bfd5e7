#include "lib/ops/ssu/backends/native/choice.hpp"

#include "lib/core/launch_limits.hpp"
#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <utility>

namespace ssugraph::detail::native {
namespace {

constexpr int min_lanes = 2;
constexpr int max_lanes = warp_threads;

/** The fewest threads that hold a row of dstate, eight elements each. */
int lanes_for(std::int64_t dstate) {
  const auto octets = static_cast<unsigned>((dstate + octet_size - 1) / octet_size);
  return std::max(min_lanes, static_cast<int>(std::bit_ceil(octets)));
}

kernel_key key_of(const ssu_problem& problem, int lanes, int rows, bool vector) {
  return {.lanes = lanes,
          .rows = rows,
          .vector = vector,
          .wide_io = problem.io_dtype == dtype::float32,
          .tied = problem.tied,
          .one_token = !problem.has_cu_seqlens};
}

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

}  // namespace

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

std::int64_t tiles_of(std::int64_t dim, int rows) {
  return (dim + rows - 1) / rows;
}

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

unsupported refusal(std::string reason) {
  return unsupported{{{"native", std::move(reason)}}};
}

algorithm_choice choose(const ssu_problem& problem, std::int64_t sequences,
                        const std::string& algorithm) {
  const std::string why_not = why_no_vectors(problem);
  if (algorithm == "scalar") return {false, max_lanes, {scalar_rows, usual_workers}, "as asked"};
  if (algorithm == "auto" && !why_not.empty())
    return {false, max_lanes, {scalar_rows, usual_workers}, why_not};

  const int lanes = lanes_for(problem.dstate);
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
  if (any_tile) return {true, lanes, usual_tile(problem, sequences), "16-byte accesses"};
  return {true, lanes, *named, "as asked"};
}

kernel_key key_of(const ssu_problem& problem, const algorithm_choice& choice) {
  return key_of(problem, choice.lanes, choice.tile.rows, choice.vector);
}

}  // namespace ssugraph::detail::native
