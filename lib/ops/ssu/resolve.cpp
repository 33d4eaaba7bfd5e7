#include "lib/ops/ssu/resolve.hpp"

#include "lib/core/device.hpp"
#include "lib/ops/ssu/problem/cut.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/ops/ssu/problem/validate.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace ssugraph {
namespace detail {
namespace {

/** Every backend's answer to `problem`, those that this build lacks included. */
std::vector<backend_support> answers(const ssu_problem& problem) {
  std::vector<backend_support> all;
  for (const backend_pointer& backend : all_backends()) {
    all.push_back({backend->name(), answer_of(*backend, problem)});
  }
  for (const optional_backend& candidate : optional_backends) {
    if (std::ranges::find(all, candidate.name, &backend_support::backend) == all.end()) {
      all.push_back({candidate.name, {missing(candidate)}});
    }
  }
  return all;
}

/** Whether two plans of a backend do the same, whatever they say of it. */
bool launch_alike(const ssu_plan& a, const ssu_plan& b) {
  const auto launch = [](const ssu_plan& plan) {
    return std::tie(plan.algorithm, plan.tile, plan.grid, plan.zeroes_null_rows,
                    plan.contract_bits);
  };
  return launch(a) == launch(b);
}

/** How a user's backend was asked for a plan. */
struct question {
  backend_pointer backend;
  ssu_problem problem;
  std::int64_t sequences;
  std::string algorithm;
};

/** What a user's backend planned, run by the `enqueue` of `owner`. Only the backend knows what a
 * plan depends on, so tensors that are aligned less will do where it plans the same for them. */
class foreign_ssu final : public planned_ssu {
 public:
  foreign_ssu(ssu_plan plan, backend_pointer owner, question asked)
      : planned_ssu{std::move(plan), asked.problem},
        owner_{std::move(owner)},
        asked_{std::move(asked)} {}

  [[nodiscard]] std::string why_not(const ssu_problem& problem) const override {
    const ssu_problem known = less_aligned(asked_.problem, problem);
    if (known == asked_.problem) return {};
    if (support answer = answer_of(*asked_.backend, known); !answer) return answer.why_not;
    try {
      const ssu_plan again = asked_.backend->plan(known, asked_.sequences, asked_.algorithm);
      if (owner_of(again, asked_.backend) == owner_ && launch_alike(again, plan())) return {};
      return "it would plan " + again.algorithm + (again.reason.empty() ? "" : ": " + again.reason);
    } catch (const unsupported& error) {
      return error.refusals().empty() ? error.what() : error.refusals().front().reason;
    }
  }

  using planned_ssu::enqueue;
  void enqueue(const ssu_args& args, const ssu_launch& how, stream_handle stream) const override {
    const std::int64_t sequences = how.sequences > 0 ? how.sequences : asked_.sequences;
    const ssu_args used = cut_to(args, sequences);
    ssu_plan here = plan();
    here.problem = less_aligned(std::move(here.problem), relocated(asked_.problem, used));
    if (sequences == asked_.sequences) return owner_->enqueue(here, used, how.drawn_seed, stream);
    ssu_plan fewer = asked_.backend->plan(here.problem, sequences, asked_.algorithm);
    owner_of(fewer, asked_.backend)->enqueue(fewer, used, how.drawn_seed, stream);
  }

 private:
  backend_pointer owner_;
  question asked_;
};

/** What else to say of `backend` refusing `problem`: where it finds no CUDA device, no tensor can
 * be on one. Throws invalid_state in a process forked from one that used CUDA. */
std::string why_nowhere_else(const std::string& backend, const ssu_problem& problem) {
  const bool runs_on_cuda = find_optional(backend) != nullptr;
  if (!runs_on_cuda || !problem.device.is_host() || has_cuda_device()) return "";
  return "; " + why_no_cuda_device();
}

/** `refused` first, then what the others say. */
unsupported refusal_of(const std::string& backend, const std::string& reason,
                       const ssu_problem& problem) {
  std::vector<unsupported::refusal> refusals{{backend, reason}};
  for (const backend_support& other : answers(problem)) {
    if (other.backend == backend) continue;
    refusals.push_back({other.backend, other.answer ? "serves this" : other.answer.why_not});
  }
  return unsupported{std::move(refusals)};
}

}  // namespace

support answer_of(const mamba_ssu_backend& backend, const ssu_problem& problem) {
  if (std::string reason = why_lacks(backend.features(), problem); !reason.empty())
    return {std::move(reason)};
  return backend.supports(problem);
}

std::shared_ptr<planned_ssu> resolve(const backend_pointer& backend, const ssu_problem& problem,
                                     std::int64_t sequences, const std::string& algorithm) {
  if (const support answer = answer_of(*backend, problem); !answer) {
    const std::string name = backend->name();
    throw refusal_of(name, answer.why_not + why_nowhere_else(name, problem), problem);
  }
  try {
    if (const auto* library = dynamic_cast<const library_backend*>(backend.get()))
      return library->resolve(problem, sequences, algorithm);
    ssu_plan plan = backend->plan(problem, sequences, algorithm);
    const backend_pointer owner = owner_of(plan, backend);
    if (const auto* library = dynamic_cast<const library_backend*>(owner.get()))
      return library->resolve(plan.problem, plan.sequences, plan.algorithm);
    plan.backend = owner->name();
    return std::make_shared<foreign_ssu>(std::move(plan), owner,
                                         question{backend, problem, sequences, algorithm});
  } catch (const unsupported& error) {
    if (error.refusals().size() != 1) throw;
    throw refusal_of(backend->name(), error.refusals().front().reason, problem);
  }
}

}  // namespace detail

std::vector<backend_support> backends_for(const ssu_args& args, const mamba_config& config) {
  return detail::answers(detail::validate(args, config).problem);
}

}  // namespace ssugraph
