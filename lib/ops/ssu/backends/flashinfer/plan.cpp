#include "lib/ops/ssu/backends/flashinfer/plan.hpp"

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/backends/flashinfer/limits.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <utility>

namespace ssugraph::detail::flashinfer {
namespace {

constexpr int simple_threads = 4 * warp_threads;

[[noreturn]] void refuse(std::string reason) {
  throw unsupported{{{flashinfer_name, std::move(reason)}}};
}

/** FlashInfer's threshold between splitting dim over blocks and its pipelined kernels. */
bool fills_device(const ssu_problem& problem, std::int64_t sequences,
                  const flashinfer_device& device) {
  return sequences * problem.nheads >= 2 * static_cast<std::int64_t>(device.multiprocessors);
}

/** The rule that FlashInfer documents in its launchers, by name; where its choice cannot do the
 *  problem, `simple`. */
flashinfer_choice own_choice(const ssu_problem& problem, std::int64_t sequences,
                             const flashinfer_device& device) {
  using enum flashinfer_algorithm;
  if (takes_many_tokens(problem)) {
    return {simple, reads_scale_of_no_slot(problem)
                        ? "the one that reads no scale of a null_block_id that is no slot"
                        : "the one for destinations, varlen and speculative calls"};
  }
  if (!fills_device(problem, sequences, device)) {
    return {simple, "fewer than two heads of work a multiprocessor"};
  }
  const bool by_columns = device.major >= 10 && problem.state_dtype != dtype::float32 &&
                          !is_scaled(problem.state_dtype);
  const auto pipelined = by_columns ? horizontal : vertical;
  if (std::string reason = why_not(problem, pipelined); !reason.empty()) {
    return {simple, "not " + std::string{name_of(pipelined)} + ": " + reason};
  }
  return {pipelined, "two heads of work a multiprocessor, or more"};
}

flashinfer_choice named(const ssu_problem& problem, const std::string& algorithm) {
  for (const flashinfer_algorithm candidate : flashinfer_algorithms) {
    if (algorithm != name_of(candidate)) continue;
    if (std::string reason = why_not(problem, candidate); !reason.empty()) {
      refuse("algorithm " + algorithm + ": " + reason);
    }
    return {candidate, "as asked"};
  }
  refuse("algorithm '" + algorithm + "' is none of auto, simple, vertical, horizontal");
}

/** Over how many blocks the kernel of many tokens splits a head, as its launcher does. */
std::int64_t blocks_per_head(const ssu_problem& problem, std::int64_t sequences,
                             const flashinfer_device& device) {
  constexpr std::int64_t blocks_per_multiprocessor = 10;
  constexpr std::int64_t rows_per_pass = 16;
  const std::int64_t heads = std::max<std::int64_t>(sequences * problem.nheads, 1);
  const std::int64_t wanted = device.multiprocessors * blocks_per_multiprocessor / heads;
  for (const std::int64_t blocks : {4, 2}) {
    if (wanted >= blocks && problem.dim / blocks >= rows_per_pass) return blocks;
  }
  return 1;
}

struct ssu_plan::tile tile_of(const ssu_problem& problem, std::int64_t sequences,
                              flashinfer_algorithm algorithm, const flashinfer_device& device) {
  constexpr int rows_of_small_block = 4;
  const auto dim = static_cast<int>(problem.dim);
  switch (algorithm) {
    case flashinfer_algorithm::vertical:
      return {.rows = dim, .lanes = warp_threads, .threads = 5 * warp_threads};
    case flashinfer_algorithm::horizontal:
      return {.rows = dim, .lanes = 2, .threads = (1 + dim / 64 * 4) * warp_threads};
    case flashinfer_algorithm::simple:
      break;
  }
  if (takes_many_tokens(problem)) {
    const auto blocks = static_cast<int>(blocks_per_head(problem, sequences, device));
    return {.rows = dim / blocks, .lanes = 8, .threads = simple_threads};
  }
  return {.rows = fills_device(problem, sequences, device) ? dim : rows_of_small_block,
          .lanes = warp_threads,
          .threads = simple_threads};
}

std::vector<std::string> notes_of(const ssu_problem& problem, flashinfer_algorithm algorithm) {
  std::vector<std::string> notes;
  if (problem.has_cu_seqlens) {
    notes.push_back("a sequence longer than " + std::to_string(problem.max_seqlen) +
                    " tokens overruns shared memory");
  }
  if (problem.has_indices) {
    notes.emplace_back("a slot outside of the state that is not null is accessed");
  }
  if (is_scaled(problem.state_dtype)) {
    notes.emplace_back(
        "rounds int16 by itself: the fp32 product with 32767 / max |h'| to nearest, a row of zeros "
        "with scale 1, and a NaN in a row to a finite number");
  }
  if (!problem.stochastic_rounding) return notes;
  notes.push_back("rounding bits are FlashInfer's, by algorithm (" +
                  std::string{name_of(algorithm)} + "); results below 2^-14 become zero, and " +
                  "those beyond the largest float16 infinite");
  if (problem.mode == ssu_mode::speculative) {
    notes.emplace_back("the states of all tokens of a sequence are rounded by the same bits");
  }
  return notes;
}

}  // namespace

std::string_view name_of(flashinfer_algorithm algorithm) noexcept {
  switch (algorithm) {
    case flashinfer_algorithm::vertical:
      return "vertical";
    case flashinfer_algorithm::horizontal:
      return "horizontal";
    case flashinfer_algorithm::simple:
      return "simple";
  }
  return "unknown";
}

flashinfer_choice choose_algorithm(const ssu_problem& problem, std::int64_t sequences,
                                   const std::string& name, const flashinfer_device& device) {
  return name == "auto" ? own_choice(problem, sequences, device) : named(problem, name);
}

ssu_plan flashinfer_plan(const ssu_problem& problem, std::int64_t sequences,
                         const flashinfer_choice& choice, const flashinfer_device& device) {
  if (sequences > max_grid_x) refuse("more than 2^31 - 1 sequences");
  ssu_plan plan;
  plan.backend = flashinfer_name;
  plan.algorithm = name_of(choice.algorithm);
  plan.reason = choice.reason;
  plan.sequences = sequences;
  plan.tile = tile_of(problem, sequences, choice.algorithm, device);
  plan.grid = {sequences, problem.nheads, (problem.dim + plan.tile.rows - 1) / plan.tile.rows};
  plan.contract_bits = !problem.stochastic_rounding && !is_scaled(problem.state_dtype);
  plan.problem = problem;
  plan.notes = notes_of(problem, choice.algorithm);
  return plan;
}

}  // namespace ssugraph::detail::flashinfer
