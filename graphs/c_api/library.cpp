#include "graphs/c_api/status.hpp"
#include "graphs/c_api/values.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/log.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/suggest_buckets.hpp>
#include <ssugraph/version.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace ssugraph;
using namespace ssugraph::c_api;

namespace {

/** The buckets of the policy that `make` gives. */
template <class Make>
void write_buckets(std::int32_t* buckets, std::size_t capacity, std::size_t* count, Make&& make) {
  write_array("buckets", buckets, capacity, count, [&] {
    const bucket_policy policy = make();
    return std::vector(policy.buckets().begin(), policy.buckets().end());
  });
}

}  // namespace

int32_t ssugraph_version() {
  return SSUGRAPH_VERSION_MAJOR * 10000 + SSUGRAPH_VERSION_MINOR * 100 + SSUGRAPH_VERSION_PATCH;
}

const char* ssugraph_version_string() {
  return SSUGRAPH_VERSION;
}

ssugraph_status ssugraph_has_cuda_device(int32_t* found) {
  return guarded([&] { output("found", found) = has_cuda_device() ? 1 : 0; });
}

ssugraph_status ssugraph_set_log_sink(ssugraph_log_function sink, void* user_data) {
  return guarded([&] {
    if (sink == nullptr) return set_log_sink({});
    set_log_sink(
        [sink, user_data](std::string_view line) { sink(user_data, std::string{line}.c_str()); });
  });
}

ssugraph_status ssugraph_seed_draw(uint64_t seed, uint64_t n, int64_t* draw) {
  return guarded([&] { output("draw", draw) = seed_draw(seed, n); });
}

ssugraph_status ssugraph_buckets_powers_of_two(int32_t max_batch, int32_t* buckets, size_t capacity,
                                               size_t* count) {
  return guarded([&] {
    write_buckets(buckets, capacity, count,
                  [&] { return bucket_policy::powers_of_two(max_batch); });
  });
}

ssugraph_status ssugraph_buckets_serving(int32_t max_batch, int32_t* buckets, size_t capacity,
                                         size_t* count) {
  return guarded([&] {
    write_buckets(buckets, capacity, count, [&] { return bucket_policy::serving(max_batch); });
  });
}

ssugraph_status ssugraph_suggest_buckets(const uint64_t* histogram, size_t batch_count,
                                         size_t max_graphs, const ssugraph_bucket_time* times,
                                         size_t time_count, int32_t* buckets, size_t capacity,
                                         size_t* count) {
  return guarded([&] {
    write_buckets(buckets, capacity, count, [&] {
      std::vector<bucket_time> measured;
      for (const auto& [bucket, microseconds] : array("times", times, time_count))
        measured.push_back({bucket, microseconds});
      return suggest_buckets(array("histogram", histogram, batch_count), max_graphs, measured);
    });
  });
}
