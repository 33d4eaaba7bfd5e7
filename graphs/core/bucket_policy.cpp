#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/error.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace ssugraph {
namespace {

constexpr std::int32_t largest_bucket = 1 << 20;

void check_bucket(const char* argument, std::int32_t bucket) {
  if (bucket >= 1 && bucket <= largest_bucket) return;
  throw invalid_argument{argument, "1 to " + std::to_string(largest_bucket) + " sequences",
                         std::to_string(bucket)};
}

/** What to do about a batch above the largest bucket. */
std::string remedy_above(std::int32_t max_batch, std::int32_t batch) {
  const std::int32_t parts = (batch - 1) / max_batch + 1;
  std::string split = "split the batch in " + std::to_string(parts);
  if (batch > largest_bucket) return split;
  return split + ", or build the pipeline with bucket_policy::serving(" + std::to_string(batch) +
         ") or another whose max_batch is that";
}

/** Ascending `buckets` below `max_batch`, then `max_batch`. */
bucket_policy up_to(std::int32_t max_batch, std::int32_t (*next)(std::int32_t)) {
  check_bucket("max_batch", max_batch);
  std::vector<std::int32_t> buckets;
  for (std::int32_t bucket = 1; bucket < max_batch; bucket = next(bucket)) {
    buckets.push_back(bucket);
  }
  buckets.push_back(max_batch);
  return bucket_policy{std::move(buckets)};
}

}  // namespace

bucket_policy::bucket_policy(std::vector<std::int32_t> buckets) : buckets_{std::move(buckets)} {
  if (buckets_.empty()) throw invalid_argument{"buckets", "at least one", "none"};
  std::ranges::sort(buckets_);
  check_bucket("buckets", buckets_.front());
  check_bucket("buckets", buckets_.back());
  if (const auto twice = std::ranges::adjacent_find(buckets_); twice != buckets_.end()) {
    throw invalid_argument{"buckets", "each once", std::to_string(*twice) + " twice"};
  }
  index_of_batch_.reserve(static_cast<std::size_t>(buckets_.back()) + 1);
  for (std::size_t index = 0; index < buckets_.size(); ++index) {
    index_of_batch_.resize(static_cast<std::size_t>(buckets_[index]) + 1,
                           static_cast<std::int32_t>(index));
  }
}

bucket_policy bucket_policy::powers_of_two(std::int32_t max_batch) {
  return up_to(max_batch, [](std::int32_t bucket) { return 2 * bucket; });
}

bucket_policy bucket_policy::serving(std::int32_t max_batch) {
  return up_to(max_batch, [](std::int32_t bucket) {
    if (bucket < 8) return 2 * bucket;
    return bucket + (bucket < 128 ? 8 : 64);
  });
}

std::int32_t bucket_policy::index_for(std::int32_t batch) const {
  if (batch < 1) throw invalid_argument{"batch", "at least 1", std::to_string(batch)};
  if (batch > max_batch()) {
    throw invalid_argument{"batch",
                           "at most the largest bucket, " + std::to_string(max_batch()) + " (" +
                               remedy_above(max_batch(), batch) + ")",
                           std::to_string(batch)};
  }
  return index_of_batch_[static_cast<std::size_t>(batch)];
}

}  // namespace ssugraph
