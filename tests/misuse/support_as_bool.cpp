// An answer with a reason does not turn into a bool by itself, and so into a number.
// GNU: cannot convert 'ssugraph::support' to 'bool'
// Clang: no viable conversion .*'ssugraph::support' to .*'bool'
#include <ssugraph/backend.hpp>
#include <ssugraph/ssu_problem.hpp>

bool serves(const ssugraph::mamba_ssu_backend& backend, const ssugraph::ssu_problem& problem) {
#ifdef SSUGRAPH_MISUSE
  return backend.supports(problem);
#else
  return static_cast<bool>(backend.supports(problem));
#endif
}
