#include "lib/ssu/backends.hpp"

#include "lib/backends/reference/reference.hpp"

#include <ssugraph/error.hpp>

#include <vector>
#if SSUGRAPH_CUDA
#include "lib/backends/native/native.hpp"
#endif

/** The one file that knows every backend. */
namespace ssugraph::detail {
namespace {

const std::vector<std::shared_ptr<const mamba_ssu_backend>>& all_backends() {
  static const std::vector<std::shared_ptr<const mamba_ssu_backend>> backends {
#if SSUGRAPH_CUDA
    std::make_shared<native_backend>(),
#endif
        std::make_shared<reference_backend>(),
  };
  return backends;
}

}  // namespace

std::shared_ptr<const mamba_ssu_backend> find_backend(const std::string& name) {
  std::string names;
  for (const auto& backend : all_backends()) {
    if (backend->name() == name) return backend;
    names += (names.empty() ? "" : ", ") + backend->name();
  }
  throw invalid_argument{"backend", "one of " + names, "'" + name + "'"};
}

ssu_plan resolve(const mamba_ssu_backend& backend, const ssu_problem& problem,
                 std::int64_t sequences, const std::string& algorithm) {
  if (const support answer = backend.supports(problem); !answer) {
    throw unsupported{{{backend.name(), answer.why_not}}};
  }
  return backend.plan(problem, sequences, algorithm);
}

}  // namespace ssugraph::detail
