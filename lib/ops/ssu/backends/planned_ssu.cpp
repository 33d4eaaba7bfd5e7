#include "lib/ops/ssu/backends/planned_ssu.hpp"

#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/ops/ssu/problem/traffic.hpp"

#include <ssugraph/error.hpp>

#include <array>

namespace ssugraph::detail {
namespace {

/** `2x8x1`. */
std::string by_axis(const std::array<std::int64_t, 3>& extents) {
  std::string text;
  for (const std::int64_t extent : extents)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

}  // namespace

plan_fields planned_ssu::fields() const {
  return {{"bucket", plan_.sequences},
          {"backend", plan_.backend},
          {"algorithm", plan_.algorithm},
          {"tile_rows", std::int64_t{plan_.tile.rows}},
          {"lanes_a_row", std::int64_t{plan_.tile.lanes}},
          {"threads", std::int64_t{plan_.tile.threads}},
          {"grid", by_axis(plan_.grid)},
          {"zeroes_null_rows", plan_.zeroes_null_rows},
          {"contract_bits", plan_.contract_bits},
          {"notes", plan_.notes}};
}

void planned_ssu::enqueue(std::span<const tensor_view> tensors, stream_handle stream) const {
  enqueue(arguments(tensors), ssu_launch{}, stream);
}

planned_ssu::planned_ssu(ssu_plan plan, const ssu_problem& problem) : plan_{std::move(plan)} {
  scalars_.dt_softplus = problem.dt_softplus;
  scalars_.dt_min = problem.dt_min;
  scalars_.dt_max = problem.dt_max;
  scalars_.null_block_id = problem.null_block_id;
  scalars_.max_seqlen = problem.max_seqlen;
  if (problem.checkpoint_interval > 0) scalars_.checkpoint_interval = problem.checkpoint_interval;
}

std::int64_t planned_ssu::bytes(std::int64_t sequences, std::int64_t rows) const {
  return ssu_traffic(plan_.problem, sequences, rows);
}

bool planned_ssu::equals(const planned_step& other) const {
  const auto* ssu = dynamic_cast<const planned_ssu*>(&other);
  return ssu != nullptr && plan_ == ssu->plan_;
}

ssu_args planned_ssu::arguments(std::span<const tensor_view> tensors) const {
  return with_tensors(scalars_, tensors);
}

support library_backend::supports(const ssu_problem& problem) const {
  if (std::string reason = why_lacks(features(), problem); !reason.empty())
    return {std::move(reason)};
  return serves(problem);
}

ssu_plan library_backend::plan(const ssu_problem& problem, std::int64_t sequences,
                               const std::string& algorithm) const {
  if (std::string reason = why_lacks(features(), problem); !reason.empty())
    throw unsupported{{{name(), std::move(reason)}}};
  return resolve(problem, sequences, algorithm)->plan();
}

void library_backend::enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
                              stream_handle stream) const {
  const auto planned = resolve(plan.problem, plan.sequences, plan.algorithm);
  if (std::string reason = planned->why_not(relocated(plan.problem, args)); !reason.empty()) {
    throw invalid_argument{
        "args", "tensors that algorithm " + plan.algorithm + " of " + name() + " can take",
        std::move(reason)};
  }
  if (args.x_ring && !args.ring_plan)
    throw invalid_argument{"ring_plan", "a tensor, which plan_rings writes", "nothing"};
  planned->enqueue(args, {.drawn_seed = drawn_seed}, stream);
}

}  // namespace ssugraph::detail

namespace ssugraph {

std::vector<ssu_plan> mamba_ssu_backend::candidates(const ssu_problem& problem,
                                                    std::int64_t sequences) const {
  return {plan(problem, sequences, "auto")};
}

}  // namespace ssugraph
