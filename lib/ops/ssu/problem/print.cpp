#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/ops/ssu/problem/validate.hpp"

#include <ssugraph/candidate_timing.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph {
namespace {

std::string by(std::int64_t a, std::int64_t b) {
  return std::to_string(a) + 'x' + std::to_string(b);
}

/** That of x, or of each that has another: `bfloat16, B float32`. */
std::string io_dtypes(const ssu_problem& problem) {
  std::string text{to_string(problem.x_dtype)};
  for (const auto& [name, type] :
       {std::pair{", B ", problem.B_dtype}, std::pair{", C ", problem.C_dtype},
        std::pair{", z ", problem.z_dtype.value_or(problem.x_dtype)},
        std::pair{", out ", problem.out_dtype}}) {
    if (type != problem.x_dtype) text += name + std::string{to_string(type)};
  }
  return text;
}

}  // namespace

std::string to_string(ssu_mode mode) {
  switch (mode) {
    case ssu_mode::plain:
      return "plain";
    case ssu_mode::varlen:
      return "varlen";
    case ssu_mode::speculative:
      return "speculative";
  }
  return "unknown";
}

std::string to_string(const ssu_problem& problem) {
  std::string text = to_string(problem.mode);
  if (problem.max_seqlen > 1) text += " T=" + std::to_string(problem.max_seqlen);
  text += " " + std::to_string(problem.nheads) + "x" + by(problem.dim, problem.dstate) + " g" +
          std::to_string(problem.ngroups) + (problem.tied ? " tied" : " untied") + " state " +
          std::string{to_string(problem.state_dtype)} + " io " + io_dtypes(problem);
  for (const auto& [present, word] :
       {std::pair{problem.D_dtype.has_value(), " D"}, std::pair{problem.z_dtype.has_value(), " z"},
        std::pair{problem.dt_bias_dtype.has_value(), " dt_bias"},
        std::pair{problem.dt_softplus, " softplus"}, std::pair{problem.has_indices, " indices"},
        std::pair{problem.has_dst_indices, " dst"},
        std::pair{problem.has_cu_seqlens, " cu_seqlens"},
        std::pair{problem.has_dst_state, " dst_state"},
        std::pair{problem.out_in_place, " out in place"}}) {
    if (present) text += word;
  }
  if (detail::has_dt_limits(problem)) {
    char limits[64];
    std::snprintf(limits, sizeof limits, " dt in [%g, %g]", problem.dt_min, problem.dt_max);
    text += limits;
  }
  if (problem.checkpoint_interval > 0) {
    text += " checkpoint W=" + std::to_string(problem.checkpoint_interval) +
            " R=" + std::to_string(problem.ring_rows);
    if (problem.has_rounding_key) text += " rounding_key";
  }
  if (problem.stochastic_rounding) text += " philox-" + std::to_string(problem.philox_rounds);
  return text;
}

std::string to_string(const ssu_plan& plan) {
  std::string text = plan.backend + " " + plan.algorithm + ", " + std::to_string(plan.sequences) +
                     " sequences, " + to_string(plan.problem);
  if (plan.tile.threads > 0) {
    text += ", tile " + std::to_string(plan.tile.rows) + " rows of " +
            std::to_string(plan.tile.lanes) + " lanes, grid " + by(plan.grid[0], plan.grid[1]) +
            "x" + std::to_string(plan.grid[2]) + " of " + std::to_string(plan.tile.threads);
  }
  if (!plan.reason.empty()) text += " (" + plan.reason + ")";
  if (!plan.zeroes_null_rows) text += ", does not zero null rows";
  for (const std::string& note : plan.notes)
    text += "; " + note;
  return text;
}

std::string to_table(const ssu_plan& plan) {
  std::string text;
  for (const candidate_timing& timing : plan.timings) {
    char line[96];
    std::snprintf(line, sizeof line, "%-12s %-12s %10.2f us %5.1f%%  ", timing.backend.c_str(),
                  timing.algorithm.c_str(), timing.median_us, 100.0 * timing.limit_share);
    text += line + timing.verdict + '\n';
  }
  return text;
}

std::vector<std::string> detail::notes_on_format(const ssu_problem& problem) {
  const dtype type = problem.state_dtype;
  const bool at_every_token = problem.checkpoint_interval == 0 &&
                              (problem.mode != ssu_mode::varlen || problem.max_seqlen == 1);
  if (!is_scaled(type) || size_of(type) > 1 || problem.stochastic_rounding || !at_every_token)
    return {};
  return {"rounds " + std::string{ssugraph::to_string(type)} + " to nearest at every token"};
}

std::string detail::tuning_key(const ssu_problem& problem) {
  std::string key = to_string(problem) + ":";
  if (!problem.misalignment.empty()) key += " " + problem.misalignment + ",";
  for (std::size_t i = 0; i < ssu_tensor_count; ++i) {
    const auto tensor = static_cast<ssu_tensor>(i);
    if (const std::optional<dtype> type = dtype_of(problem, tensor))
      key += " " + std::string{name_of(tensor)} + " " + std::string{ssugraph::to_string(*type)};
  }
  return key;
}

std::string detail::describe(const mamba_config& config) {
  const int rounds = config.philox_rounds == 0 ? 10 : config.philox_rounds;
  return "backend " + config.backend + ", algorithm " + config.algorithm + ", " +
         (config.stochastic_rounding ? "philox-" + std::to_string(rounds) + " rounding"
                                     : "nearest rounding");
}

}  // namespace ssugraph
