#include "lib/ops/ssu/automatic.hpp"

#include "lib/ops/ssu/automatic_policy.hpp"
#include "lib/ops/ssu/resolve.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <utility>

namespace ssugraph::detail {
namespace {

/** Whether nobody sees by the results which backend ran. */
bool keeps_promises(const ssu_plan& plan) {
  return plan.zeroes_null_rows && plan.contract_bits;
}

/** The backends that serve `problem` and keep every promise. */
std::vector<backend_pointer> serving(const ssu_problem& problem) {
  std::vector<backend_pointer> backends = all_backends();
  std::erase_if(backends, [&](const backend_pointer& backend) {
    return !answer_of(*backend, problem) || !keeps_promises(backend->plan(problem, 1, "auto"));
  });
  return backends;
}

void check_algorithm(const std::string& algorithm) {
  if (algorithm == "auto") return;
  throw unsupported{{{automatic, "algorithm '" + algorithm +
                                     "' of no backend in particular; name the backend, too"}}};
}

}  // namespace

std::string automatic_backend::name() const {
  return automatic;
}

backend_features automatic_backend::features() const {
  backend_features all;
  for (const backend_pointer& backend : all_backends()) {
    const backend_features one = backend->features();
    all = {.features = all.features | one.features,
           .state = all.state | one.state,
           .floats = all.floats | one.floats,
           .indices = all.indices | one.indices};
  }
  return all;
}

support automatic_backend::serves(const ssu_problem& problem) const {
  if (!serving(problem).empty()) return {};
  return {"no backend serves this"};
}

std::shared_ptr<planned_ssu> automatic_backend::resolve(const ssu_problem& problem,
                                                        std::int64_t sequences,
                                                        const std::string& algorithm) const {
  check_algorithm(algorithm);
  const std::vector<backend_pointer> backends = serving(problem);
  for (const std::string_view name : preferred_backends) {
    const auto found = std::ranges::find(backends, name, &mamba_ssu_backend::name);
    if (found != backends.end()) return detail::resolve(*found, problem, sequences, algorithm);
  }
  if (backends.empty()) throw unsupported{{{automatic, "no backend serves this"}}};
  return detail::resolve(backends.front(), problem, sequences, algorithm);
}

std::vector<ssu_plan> automatic_backend::candidates(const ssu_problem& problem,
                                                    std::int64_t sequences) const {
  std::vector<ssu_plan> all;
  for (const backend_pointer& backend : serving(problem)) {
    for (ssu_plan& plan : backend->candidates(problem, sequences)) {
      plan.backend = owner_of(plan, backend)->name();
      all.push_back(std::move(plan));
    }
  }
  return all;
}

}  // namespace ssugraph::detail
