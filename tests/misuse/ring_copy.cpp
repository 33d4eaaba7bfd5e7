// A ring is move-only: it owns pinned memory that copies in flight still read.
// GNU: use of deleted function 'ssugraph::staging_ring& .*operator=
// Clang: copy assignment operator is implicitly deleted
#include <ssugraph/staging.hpp>

#include <utility>

void replace(ssugraph::staging_ring& a, ssugraph::staging_ring& b) {
#ifdef SSUGRAPH_MISUSE
  a = b;
#else
  a = std::move(b);
#endif
}
