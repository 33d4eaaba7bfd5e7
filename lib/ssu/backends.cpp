#include "lib/ssu/backends.hpp"

#include "lib/backends/reference/reference.hpp"
#include "lib/core/device.hpp"
#include "lib/ssu/automatic.hpp"
#include "lib/ssu/problem.hpp"
#include "lib/ssu/validate.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <tuple>
#include <utility>
#if SSUGRAPH_CUDA
#include "lib/backends/native/native.hpp"
#endif
#if SSUGRAPH_HAS_FLASHINFER
#include "lib/backends/flashinfer/flashinfer.hpp"
#endif
#if SSUGRAPH_HAS_TRITON
#include "lib/backends/triton/triton.hpp"
#endif

/** The one file that knows every backend. */
namespace ssugraph {
namespace detail {
namespace {

/** A backend that a build may lack, and what brings it. */
struct optional_backend {
  const char* name;
  const char* remedy;
};

constexpr std::array optional_backends{
    optional_backend{"native", "the CUDA Toolkit 13.0 or later: cmake -DSSUGRAPH_CUDA=ON"},
    optional_backend{"triton",
                     "the PyPI package triton, which the build installs for itself where python3 "
                     "and pip are there: cmake -DSSUGRAPH_CUDA=ON -DSSUGRAPH_TRITON=ON"},
    optional_backend{
        "flashinfer",
        "the PyPI package flashinfer-python, which the build fetches for itself where "
        "python3 and pip are there: cmake -DSSUGRAPH_CUDA=ON -DSSUGRAPH_FLASHINFER=ON"},
};

struct registry {
  std::mutex mutex;
  std::vector<backend_pointer> backends {
#if SSUGRAPH_CUDA
    std::make_shared<native_backend>(),
#endif
#if SSUGRAPH_HAS_TRITON
        std::make_shared<triton_backend>(),
#endif
#if SSUGRAPH_HAS_FLASHINFER
        std::make_shared<flashinfer_backend>(),
#endif
        std::make_shared<reference_backend>(),
  };
};

/** Never destroyed, as all that a call needs: objects with static lifetime may make it later. */
registry& the_registry() {
  static registry& instance = *new registry;
  return instance;
}

const optional_backend* find_optional(const std::string& name) {
  const auto found = std::ranges::find(optional_backends, name, &optional_backend::name);
  return found == optional_backends.end() ? nullptr : &*found;
}

std::string missing(const optional_backend& absent) {
  return std::string{"not in this build; it needs "} + absent.remedy;
}

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
  void enqueue(const ssu_args& args, std::int64_t drawn_seed, stream_handle stream) const override {
    ssu_plan here = plan();
    here.problem = less_aligned(std::move(here.problem), relocated(asked_.problem, args));
    owner_->enqueue(here, args, drawn_seed, stream);
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

std::vector<backend_pointer> all_backends() {
  registry& known = the_registry();
  const std::lock_guard lock{known.mutex};
  return known.backends;
}

backend_pointer find_backend(const std::string& name) {
  static const auto& chooser = *new backend_pointer{std::make_shared<automatic_backend>()};
  if (name == automatic) return chooser;
  std::string names;
  for (const backend_pointer& backend : all_backends()) {
    if (backend->name() == name) return backend;
    names += backend->name() + ", ";
  }
  if (const optional_backend* absent = find_optional(name)) {
    throw unsupported{{{name, missing(*absent)}}};
  }
  throw invalid_argument{"backend", "one of " + names + automatic, "'" + name + "'"};
}

backend_pointer owner_of(const ssu_plan& plan, const backend_pointer& backend) {
  for (const backend_pointer& other : all_backends()) {
    if (other->name() == plan.backend) return other;
  }
  return backend;
}

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

std::vector<ssu_plan> mamba_ssu_backend::candidates(const ssu_problem& problem,
                                                    std::int64_t sequences) const {
  return {plan(problem, sequences, "auto")};
}

void register_mamba_ssu_backend(std::shared_ptr<const mamba_ssu_backend> backend) {
  if (!backend) throw invalid_argument{"backend", "a backend", "null"};
  const std::string name = backend->name();
  detail::registry& known = detail::the_registry();
  const std::lock_guard lock{known.mutex};
  const bool taken =
      name == detail::automatic || detail::find_optional(name) != nullptr ||
      std::ranges::any_of(known.backends, [&](const auto& other) { return other->name() == name; });
  if (name.empty() || taken) {
    throw invalid_argument{"backend", "a name that no backend has yet", "'" + name + "'"};
  }
  known.backends.push_back(std::move(backend));
}

std::vector<backend_support> backends_for(const ssu_args& args, const mamba_config& config) {
  return detail::answers(detail::validate(args, config).problem);
}

}  // namespace ssugraph
