#include "lib/ops/ssu/backends/triton/selection.hpp"

#include "lib/core/launch_limits.hpp"
#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/triton/policy.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <tuple>
#include <utility>

namespace ssugraph::detail::triton {
namespace {

constexpr int first_exact_architecture = 90;
/** Offsets within a tile are 32-bit in images for vector access, in bytes too. */
constexpr std::int64_t max_offset_in_tile = std::int64_t{1} << 29;
constexpr std::array<std::int64_t, 5> dstate_blocks{16, 32, 64, 128, 256};
static_assert(std::ranges::is_sorted(dstate_blocks) && dstate_blocks.back() == max_dstate,
              "the first block that holds a dstate is the least, and every dstate has one");

bool serves(const triton_image& image, const ssu_problem& problem) {
  return image.state == problem.state_dtype && image.rounding == problem.stochastic_rounding &&
         image.tied == problem.tied && image.dstate >= problem.dstate &&
         (!image.io || image.io == problem.x_dtype) && (image.many || !problem.has_cu_seqlens) &&
         why_no_access(image, problem).empty();
}

/** All but the tile; the least is the best. */
auto cost(const triton_image& image) {
  return std::tuple{!image.vector, !image.io.has_value(), image.many, image.dstate,
                    -image.architecture};
}

double distance(double a, double b) {
  return std::abs(std::log2(a / b));
}

/** So little that entries of one shape are nearer to it than those of others. */
constexpr double programs_weight = 1.0 / 16;

double distance(const tile_entry& entry, const ssu_problem& problem, std::int64_t programs) {
  const auto as_double = [](std::int64_t value) {
    return static_cast<double>(std::max<std::int64_t>(value, 1));
  };
  return distance(as_double(entry.dim), as_double(problem.dim)) +
         distance(as_double(entry.dstate), as_double(problem.dstate)) +
         programs_weight * distance(as_double(entry.programs), as_double(programs)) +
         (size_of(entry.state) == size_of(problem.state_dtype) ? 0.0 : 1.0) +
         (entry.rounding == problem.stochastic_rounding ? 0.0 : 2.0);
}

const triton_image* find_tile(const std::vector<const triton_image*>& images, int rows, int warps) {
  const auto found = std::ranges::find_if(images, [&](const triton_image* image) {
    return image->rows == rows && image->warps == warps;
  });
  return found == images.end() ? nullptr : *found;
}

std::string name_of(const tile_entry& entry) {
  return std::to_string(entry.dim) + "x" + std::to_string(entry.dstate) + " " +
         (entry.rounding ? "rounded " : "") + std::string{to_string(entry.state)} + ", " +
         std::to_string(entry.programs) + " heads in all";
}

}  // namespace

bool runs_on(int architecture, int compute_capability) {
  // From 9.0 on Triton compiles for the features of exactly one capability.
  if (architecture >= first_exact_architecture) return architecture == compute_capability;
  return architecture / 10 == compute_capability / 10 && architecture <= compute_capability;
}

std::string why_no_vectors(const ssu_problem& problem) {
  if (!problem.misalignment.empty()) return problem.misalignment;
  const std::int64_t most = max_offset_in_tile / std::max<std::int64_t>(problem.dim, 1);
  for (std::size_t i = 0; i < ssu_tensor_count; ++i) {
    for (std::size_t axis = 0; axis < tensor_view::max_rank; ++axis) {
      const bool is_dim = std::cmp_less(axis, ssu_operands[i].shape.rank) &&
                          ssu_operands[i].shape.axes[axis] == ssu_axis::dim;
      if (is_dim && std::abs(problem.layouts[i].strides[axis]) >= most)
        return "a stride along dim is too long for 32-bit offsets";
    }
  }
  return {};
}

std::string why_no_access(const triton_image& image, const ssu_problem& problem) {
  return image.vector ? why_no_vectors(problem) : std::string{};
}

std::vector<const triton_image*> select_images(std::span<const triton_image> images,
                                               const ssu_problem& problem, int compute_capability) {
  std::vector<const triton_image*> serving;
  for (const triton_image& image : images) {
    if (!runs_on(image.architecture, compute_capability) || !serves(image, problem)) continue;
    if (!serving.empty() && cost(image) < cost(*serving.front())) serving.clear();
    if (serving.empty() || cost(image) == cost(*serving.front())) serving.push_back(&image);
  }
  return serving;
}

tile_choice choose_tile(const std::vector<const triton_image*>& images, const ssu_problem& problem,
                        std::int64_t sequences) {
  if (problem.is_blackwell && problem.dstate > blackwell_dstate_above) {
    if (const auto* image = find_tile(images, blackwell_rows, blackwell_warps)) {
      return {image, "tile table of Blackwell"};
    }
  }
  const std::int64_t programs =
      sequences * problem.nheads * measured_multiprocessors / multiprocessors_of(problem);
  std::vector<std::pair<double, const tile_entry*>> nearest;
  nearest.reserve(std::size(tile_table));
  for (const tile_entry& entry : tile_table) {
    nearest.emplace_back(distance(entry, problem, programs), &entry);
  }
  std::ranges::stable_sort(nearest, {}, [](const auto& entry) { return entry.first; });
  for (const auto& [ignored, entry] : nearest) {
    if (const auto* image = find_tile(images, entry->rows, entry->warps)) {
      return {image, "nearest in the tile table: " + name_of(*entry)};
    }
  }
  return {images.front(), "the manifest's first tile"};
}

std::string tile_name(const triton_image& image) {
  return std::to_string(image.rows) + "x" + std::to_string(image.warps);
}

std::string manifest_line(const ssu_problem& problem) {
  const std::int64_t block =
      *std::ranges::find_if(dstate_blocks, [&](auto size) { return size >= problem.dstate; });
  constexpr std::int64_t warps = 4;
  const std::int64_t rows = warps * warp_threads / (block / octet_size);
  return std::string{"state="} + (problem.stochastic_rounding ? "rounded_" : "") +
         std::string{to_string(problem.state_dtype)} +
         " io=" + std::string{to_string(problem.x_dtype)} + " dstate=" + std::to_string(block) +
         " step=" + (problem.tied ? "tied" : "untied") +
         " tokens=" + (problem.has_cu_seqlens ? "many" : "one") +
         " access=" + (why_no_vectors(problem).empty() ? "vector" : "any") +
         " tile=" + std::to_string(rows) + "x" + std::to_string(warps);
}

}  // namespace ssugraph::detail::triton
