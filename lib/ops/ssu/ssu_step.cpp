#include "lib/ops/ssu/ssu_step.hpp"

#include "lib/core/device.hpp"
#include "lib/ops/ssu/backends/planned_ssu.hpp"
#include "lib/ops/ssu/find_backend.hpp"
#include "lib/ops/ssu/problem/dtypes.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/ops/ssu/problem/validate.hpp"
#include "lib/ops/ssu/resolve.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::detail {
namespace {

const char* const host_backend = "reference";

void check_seed_and_length(const ssu_args& args) {
  if (args.rand_seed) {
    throw invalid_argument{"rand_seed", "nothing, for a pipeline draws its own seeds",
                           to_string(args.rand_seed)};
  }
  if (mode_of(args) == ssu_mode::varlen && args.max_seqlen < 1) {
    throw invalid_argument{"max_seqlen", "at least 1 for varlen steps",
                           std::to_string(args.max_seqlen)};
  }
}

/** Rows that the sequences of the largest bucket may have. */
std::int64_t most_rows(const ssu_args& args, const ssu_setup& setup) {
  const std::int64_t max_seqlen = max_seqlen_of(args);
  check_max_seqlen(max_seqlen);
  const std::int64_t budget = setup.row_budget;
  if (budget == 0) return args.cu_seqlens ? setup.max_batch * max_seqlen : setup.max_batch;
  if (!args.cu_seqlens) {
    throw invalid_argument{"cu_seqlens", "a tensor, for the pipeline has a budget of rows",
                           "nothing"};
  }
  if (budget < max_seqlen) {
    throw invalid_argument{"rows", "at least T = " + std::to_string(max_seqlen),
                           "a budget of " + std::to_string(budget)};
  }
  return std::min(setup.max_batch * max_seqlen, budget);
}

/** `args` cut to the largest bucket. */
ssu_args cut(const ssu_args& args, const ssu_setup& setup) {
  const auto operands = operands_of_ssu(static_cast<bool>(args.dst_state));
  return with_tensors(
      args, first_sequences(operands, tensors_of(args), setup.max_batch, most_rows(args, setup)));
}

step_traits traits_of(const validated_ssu& call, const ssu_setup& setup) {
  step_traits traits{.operation = "ssu",
                     .operands = operands_of_ssu(call.problem.has_dst_state),
                     .tensors = tensors_of(call.args),
                     .sequences = rule_of(call.problem, call.args),
                     .ring = ring_rule_of(call.args),
                     .null_block_id = call.args.null_block_id,
                     .device = call.problem.device,
                     .draws_seed = call.problem.stochastic_rounding,
                     .multiprocessors = setup.multiprocessors != 0 ? setup.multiprocessors
                                                                   : call.problem.multiprocessors};
  traits.sequences.null_block_id =
      launched_null_block_id(traits.operands, traits.tensors, call.args.null_block_id);
  return traits;
}

ssu_problem launched_problem(const validated_ssu& call, const step_traits& traits,
                             const mamba_config& config) {
  ssu_args args = with_tensors(call.args, as_launched(traits, call.sequences));
  args.null_block_id = traits.sequences.null_block_id;
  ssu_problem problem = problem_of(args, config, traits.device);
  problem.multiprocessors = traits.multiprocessors;
  return problem;
}

step_traits planned_on(step_traits traits, int multiprocessors) {
  traits.multiprocessors = multiprocessors;
  return traits;
}

class checked_ssu final : public checked_step {
 public:
  checked_ssu(const validated_ssu& call, ssu_setup setup)
      : checked_step{traits_of(call, setup)},
        bound_{call.args},
        setup_{std::move(setup)},
        problem_{launched_problem(call, traits(), setup_.config)} {}

  /** `other`, to be planned for so many. */
  checked_ssu(const checked_ssu& other, int multiprocessors)
      : checked_step{planned_on(other.traits(), multiprocessors)},
        bound_{other.bound_},
        setup_{other.setup_},
        problem_{other.problem_} {
    setup_.multiprocessors = multiprocessors;
    problem_.multiprocessors = multiprocessors;
  }

  [[nodiscard]] std::string problem() const override { return to_string(problem_); }
  [[nodiscard]] std::string tuning_key() const override { return detail::tuning_key(problem_); }

  [[nodiscard]] std::shared_ptr<const checked_step> on(
      bound_tensors tensors, std::optional<ssugraph::device> where) const override {
    const validated_ssu call = validate(with_tensors(bound_, tensors), setup_.config, where);
    return std::make_shared<checked_ssu>(call, setup_);
  }
  [[nodiscard]] std::shared_ptr<const checked_step> on_multiprocessors(int count) const override {
    return std::make_shared<checked_ssu>(*this, count);
  }
  [[nodiscard]] std::string why_not(const planned_step& planned) const override {
    return dynamic_cast<const planned_ssu&>(planned).why_not(problem_);
  }

  [[nodiscard]] std::shared_ptr<planned_step> plan(std::int64_t sequences) const override {
    return resolve(setup_.backend, problem_, sequences, setup_.algorithm);
  }
  [[nodiscard]] std::shared_ptr<planned_step> plan(std::int64_t sequences,
                                                   const plan_choice& choice) const override {
    return resolve(find_backend(choice.backend), problem_, sequences, choice.algorithm);
  }
  [[nodiscard]] bool is_measured() const override {
    return setup_.backend->name() == automatic && !problem_.device.is_host();
  }
  [[nodiscard]] std::vector<plan_choice> candidates(std::int64_t sequences) const override {
    std::vector<plan_choice> choices;
    for (const ssu_plan& plan : setup_.backend->candidates(problem_, sequences))
      choices.push_back({plan.backend, plan.algorithm});
    return choices;
  }

 private:
  ssu_args bound_;
  ssu_setup setup_;
  ssu_problem problem_;
};

}  // namespace

ssu_setup setup_ssu(mamba_config config, bool on_host, std::int64_t max_batch) {
  validate(config);
  if (on_host) return {std::move(config), find_backend(host_backend), "auto", max_batch};
  backend_pointer backend = find_backend(config.backend);
  if (config.backend == host_backend) {
    throw invalid_argument{"backend", "one that runs on CUDA (or target::host)", config.backend};
  }
  if (!has_cuda_device()) throw no_cuda_device(config.backend, "ask for target::host by name");
  std::string algorithm = config.algorithm;
  return {std::move(config), std::move(backend), std::move(algorithm), max_batch};
}

std::shared_ptr<const checked_step> check_ssu(const ssu_args& args, ssu_setup setup) {
  check_reach(args);  // of the whole tensors, before they are cut
  check_rounding(args.state, setup.config);
  check_seed_and_length(args);
  const validated_ssu call = validate(cut(args, setup), setup.config);
  return std::make_shared<checked_ssu>(call, std::move(setup));
}

const ssu_plan* ssu_plan_of(const planned_step& planned) {
  const auto* ssu = dynamic_cast<const planned_ssu*>(&planned);
  return ssu == nullptr ? nullptr : &ssu->plan();
}

}  // namespace ssugraph::detail
