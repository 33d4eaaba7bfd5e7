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
#include <optional>
#include <utility>

namespace ssugraph::detail::native {
namespace {

constexpr int min_lanes = 2;
constexpr int max_lanes = warp_threads;

io_width width_of(const ssu_problem& problem) {
  bool is_wide = false;
  bool is_narrow = false;
  for (const dtype type : {problem.x_dtype, problem.B_dtype, problem.C_dtype, problem.out_dtype,
                           problem.z_dtype.value_or(problem.x_dtype)})
    (type == dtype::float32 ? is_wide : is_narrow) = true;
  if (!is_wide) return io_width::narrow;
  return is_narrow ? io_width::any : io_width::wide;
}

/** The narrowest of a kernel that there is. */
io_width compiled_width_of(const ssu_problem& problem, state_access access) {
  if (access == state_access::along_dim) return io_width::any;
  const io_width width = width_of(problem);
  const bool is_there =
      !is_scaled(problem.state_dtype) || (width == io_width::narrow && problem.tied);
  return is_there ? width : io_width::any;
}

kernel_key key_of(const ssu_problem& problem, int rows, state_access access) {
  kernel_key key{.lanes = lanes_for(problem.dstate, 2),
                 .rows = rows,
                 .octets = 2,
                 .access = access,
                 .io = compiled_width_of(problem, access),
                 .tied = problem.tied,
                 .one_token = !problem.has_cu_seqlens};
  const bool pairs = pairs_octets(key, problem.state_dtype);
  const bool whole_pairs = problem.dstate % (std::int64_t{octet_size} * 2) == 0;
  if (pairs && whole_pairs && key.lanes >= min_paired_lanes) return key;
  key.octets = 1;
  key.lanes = access == state_access::by_element ? max_lanes : lanes_for(problem.dstate, 1);
  if (pairs && key.lanes >= 2 * min_paired_lanes) key.io = io_width::any;
  return key;
}

/** The blocks for `rows` a thread that cut dim with the least rest, then those of usual size, then,
 * along dim, the wider, which read longer stretches. Warps may share rows, but blocks do not. */
tile_choice best_workers(std::int64_t dim, int lanes, int rows, state_access access) {
  const int warps_a_row = lanes / warp_lanes(access, lanes);
  const bool along_dim = access == state_access::along_dim;
  const int usual = lanes == min_lanes ? min_workers
                    : along_dim        ? usual_workers_along_dim(lanes)
                                       : usual_workers;
  tile_choice best{rows, usual};
  const auto cost = [&](const tile_choice& tile) {
    const int of_block = tile.rows_of_block(lanes);
    return std::pair{tiles_of(dim, of_block) * of_block, std::abs(tile.workers - usual)};
  };
  for (int workers = min_workers; workers <= max_workers(access); workers += warp_threads) {
    if (workers % (warps_a_row * warp_threads) != 0) continue;
    const tile_choice tile{rows, workers};
    const bool is_wider = along_dim && cost(tile) == cost(best);
    if (cost(tile) < cost(best) || is_wider) best = tile;
  }
  return best;
}

/** The tile that the policy takes. */
tile_choice usual_tile(const ssu_problem& problem, std::int64_t sequences, state_access access,
                       const std::vector<tile_choice>& tiles) {
  const auto usual = std::ranges::find_if(tiles, [&](const tile_choice& tile) {
    const kernel_key key = key_of(problem, tile.rows, access);
    const int multiprocessors = multiprocessors_of(problem);
    const int enough = key.octets > 1 && problem.stochastic_rounding
                           ? enough_blocks_rounded(multiprocessors)
                           : enough_blocks(key.one_token, multiprocessors);
    const std::int64_t tiles_of_head = tiles_of(problem.dim, tile.rows_of_block(key.lanes));
    return tile.rows < max_rows || sequences * problem.nheads * tiles_of_head >= enough;
  });
  return usual == tiles.end() ? tiles.back() : *usual;
}

/** Why what steps by 32-bit strides cannot serve. */
std::string why_no_short_strides(const ssu_problem& problem) {
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

/** Why `tensor` cannot be read in 16-byte words along `axis`; empty if it can, or is not bound. */
std::string why_no_words_along(const ssu_problem& problem, ssu_tensor tensor, std::size_t axis) {
  constexpr std::int64_t word_bytes = 16;
  const std::optional<dtype> type = dtype_of(problem, tensor);
  if (!type) return {};
  const std::string name{name_of(tensor)};
  const tensor_layout& layout = problem.layout(tensor);
  const std::int64_t size = size_of(*type);
  if (layout.strides[axis] != 1) {
    return name + " is not contiguous along axis " + std::to_string(axis);
  }
  if (layout.alignment % word_bytes != 0) return name + " is not 16-byte aligned";
  for (std::size_t other = 0; other < layout.strides.size(); ++other) {
    if (other != axis && layout.strides[other] * size % word_bytes != 0) {
      return "stride " + std::to_string(other) + " of " + name + " is no multiple of 16 bytes";
    }
  }
  return {};
}

/** Why dim is nothing that states are read along. */
std::string why_no_columns(const ssu_problem& problem) {
  if (is_scaled(problem.state_dtype)) return "scaled states are read along dstate";
  if (problem.dstate % octet_size != 0) return "dstate is no multiple of 8";
  for (const auto& [tensor, axis] :
       {std::pair{ssu_tensor::state, 2}, std::pair{ssu_tensor::dst_state, 2},
        std::pair{ssu_tensor::B, 2}, std::pair{ssu_tensor::C, 2}, std::pair{ssu_tensor::A, 2}}) {
    if (problem.tied && tensor == ssu_tensor::A) continue;
    std::string reason = why_no_words_along(problem, tensor, axis);
    if (!reason.empty()) return reason;
  }
  if (vector_tiles(problem, state_access::along_dim).empty()) return "no tile divides dim";
  return {};
}

/** Why states are accessed element by element: of the access that their strides are for. */
std::string why_by_element(const ssu_problem& problem) {
  const auto& strides = problem.layout(ssu_tensor::state).strides;
  const bool dim_is_innermost = strides[2] == 1 && strides[3] != 1;
  return why_not(problem, dim_is_innermost ? state_access::along_dim : state_access::along_dstate);
}

state_access access_of(const ssu_problem& problem) {
  for (const state_access access : {state_access::along_dstate, state_access::along_dim}) {
    if (why_not(problem, access).empty()) return access;
  }
  return state_access::by_element;
}

}  // namespace

std::string why_not(const ssu_problem& problem, state_access access) {
  if (access == state_access::by_element) return {};
  std::string reason =
      access == state_access::along_dim ? why_no_columns(problem) : problem.misalignment;
  return reason.empty() ? why_no_short_strides(problem) : reason;
}

int lanes_for(std::int64_t dstate, int octets) {
  const std::int64_t columns = std::int64_t{octets} * octet_size;
  const auto threads = static_cast<unsigned>((dstate + columns - 1) / columns);
  return std::max(min_lanes, static_cast<int>(std::bit_ceil(threads)));
}

std::int64_t tiles_of(std::int64_t dim, int rows) {
  return (dim + rows - 1) / rows;
}

std::vector<tile_choice> vector_tiles(const ssu_problem& problem, state_access access) {
  std::vector<tile_choice> tiles;
  for (int rows = max_rows; rows > 1; rows /= 2) {
    const kernel_key key = key_of(problem, rows, access);
    const tile_choice tile = best_workers(problem.dim, key.lanes, rows, access);
    const bool whole = problem.dim % tile.rows_of_block(key.lanes) == 0;
    // Of runs of neighbours there are whole ones alone.
    const bool whole_runs = access != state_access::along_dim || problem.dim % rows == 0;
    if (is_compiled(key, problem.state_dtype) && whole_runs && (whole || !takes_whole_tiles(key)))
      tiles.push_back(tile);
  }
  return tiles;
}

unsupported refusal(std::string reason) {
  return unsupported{{{"native", std::move(reason)}}};
}

algorithm_choice choose(const ssu_problem& problem, std::int64_t sequences,
                        const std::string& algorithm) {
  const state_access access = access_of(problem);
  const bool in_vectors = access != state_access::by_element;
  const std::string why_no_vectors = in_vectors ? std::string{} : why_by_element(problem);
  const auto by_element = [](const std::string& reason) {
    return algorithm_choice{
        state_access::by_element, max_lanes, {scalar_rows, usual_workers}, reason};
  };
  if (algorithm == "scalar") return by_element("as asked");
  if (algorithm == "auto" && !in_vectors) return by_element(why_no_vectors);

  const bool any_tile = algorithm == "auto" || algorithm == "vector";
  const std::vector<tile_choice> tiles =
      vector_tiles(problem, in_vectors ? access : state_access::along_dstate);
  const auto named = std::ranges::find(tiles, algorithm, &tile_choice::name);
  if (!any_tile && named == tiles.end()) {
    std::string names = "auto, vector, scalar";
    for (const tile_choice& each : tiles)
      names += ", " + each.name();
    throw refusal("algorithm '" + algorithm + "' is none of " + names);
  }
  if (!in_vectors) throw refusal("algorithm " + algorithm + ": " + why_no_vectors);
  const tile_choice tile = any_tile ? usual_tile(problem, sequences, access, tiles) : *named;
  const int lanes = key_of(problem, tile.rows, access).lanes;
  if (!any_tile) return {access, lanes, tile, "as asked"};
  return {access, lanes, tile,
          access == state_access::along_dim ? "16-byte accesses along dim" : "16-byte accesses"};
}

kernel_key key_of(const ssu_problem& problem, const algorithm_choice& choice) {
  return key_of(problem, choice.tile.rows, choice.access);
}

}  // namespace ssugraph::detail::native
