// A ring stages indices and counts, int32 or int64.
// GNU: no matching function for call to '.*take<.*constraints not satisfied
// Clang: no matching member function for call to 'take'.*constraints not satisfied
#include <ssugraph/staging.hpp>

void stage(ssugraph::staging_ring& ring, const ssugraph::tensor_view& slots) {
#ifdef SSUGRAPH_MISUSE
  using index = float;
#else
  using index = std::int32_t;
#endif
  ring.take<index>(slots, 1).front() = 0;
}
