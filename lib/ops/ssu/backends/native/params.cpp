#include "lib/ops/ssu/backends/native/params.hpp"

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/step/sequence.hpp"

namespace ssugraph::detail::native {
namespace {

/** `tensor`, or where it is unbound something of its dtype to read in its place: no load of the
 * kernel depends on what is bound. */
template <int Rank>
strided<Rank> lowered_or(const tensor_view& tensor, const tensor_view& instead) {
  if (tensor) return lowered<Rank>(tensor);
  return {.data = instead.data(), .stride = {}, .type = instead.dtype()};
}

fast_divisor divisor(std::int64_t number) {
  return fast_divisor{static_cast<std::uint32_t>(number)};
}

}  // namespace

ssu_plan describe(const ssu_problem& problem, std::int64_t sequences,
                  const algorithm_choice& choice) {
  ssu_plan plan;
  plan.backend = "native";
  plan.algorithm = choice.access == state_access::by_element ? "scalar" : choice.tile.name();
  plan.reason = choice.reason;
  plan.sequences = sequences;
  plan.tile = {
      .rows = choice.rows_of_block(), .lanes = choice.lanes, .threads = choice.tile.workers};
  plan.grid = {sequences, problem.nheads, tiles_of(problem.dim, plan.tile.rows)};
  plan.problem = problem;
  plan.notes = notes_on_format(problem);
  if (sequences > max_grid_x / (problem.nheads * plan.grid[2])) {
    throw refusal("more than 2^31 - 1 blocks");
  }
  return plan;
}

ssu_params params_of(const ssu_plan& plan, const ssu_args& args, const launch_context& context,
                     std::int64_t sequences) {
  const ssu_problem& problem = plan.problem;
  const sequence_rule rule = rule_of(problem, args);
  return {
      .state = lowered<4>(args.state),
      .dst_state = lowered<4>(args.dst_state ? args.dst_state : args.state),
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
      .dst_slots = rule.dst_slots,
      .rows = rule.rows,
      .max_seqlen = rule.max_seqlen,
      .null_block_id = rule.null_block_id,
      .dim = static_cast<std::uint32_t>(problem.dim),
      .dstate = static_cast<std::uint32_t>(problem.dstate),
      .heads_per_group = divisor(problem.nheads / problem.ngroups),
      .tiles = divisor(plan.grid[2]),
      .heads = divisor(problem.nheads),
      .sequences = static_cast<std::uint32_t>(sequences),
      .workers = static_cast<std::uint32_t>(plan.tile.threads),
      .philox_rounds = problem.philox_rounds,
      .dt_min = problem.dt_min,
      .dt_max = problem.dt_max,
      .has_D = problem.D_dtype.has_value(),
      .has_dt_bias = problem.dt_bias_dtype.has_value(),
      .has_z = problem.z_dtype.has_value(),
      .dt_softplus = problem.dt_softplus,
      .state_ahead = context.state_ahead,
      .inputs_ahead = context.inputs_ahead,
      .triggers_ahead = context.triggers_ahead,
      .state_scale = lowered_or<3>(args.state_scale, args.x),
      .dst_state_scale =
          lowered_or<3>(args.dst_state ? args.dst_state_scale : args.state_scale, args.x),
  };
}

}  // namespace ssugraph::detail::native
