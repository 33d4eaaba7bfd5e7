// Buckets say by which policy: a list in their place does not turn into one.
// GNU: could not convert 'sizes' .* to 'ssugraph::bucket_policy'
// Clang: no viable conversion .* return type 'ssugraph::bucket_policy'
#include <ssugraph/bucket_policy.hpp>

#include <vector>

ssugraph::bucket_policy buckets(const std::vector<std::int32_t>& sizes) {
#ifdef SSUGRAPH_MISUSE
  return sizes;
#else
  return ssugraph::bucket_policy{sizes};
#endif
}
