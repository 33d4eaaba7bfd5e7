// A lane is move-only: two of them would replay one executable graph.
// GNU: use of deleted function 'ssugraph::lane::lane\(const
// Clang: deleted copy constructor of 'ssugraph::lane'
#include <ssugraph/lane.hpp>

#include <utility>

ssugraph::lane second(ssugraph::lane& first) {
#ifdef SSUGRAPH_MISUSE
  return ssugraph::lane{first};
#else
  return ssugraph::lane{std::move(first)};
#endif
}
