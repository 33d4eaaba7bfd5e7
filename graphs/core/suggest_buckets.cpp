#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/suggest_buckets.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph {
namespace {

constexpr std::size_t most_batches = 1 << 20;

void check_arguments(std::span<const std::uint64_t> histogram, std::size_t max_graphs,
                     std::span<const bucket_time> times) {
  if (max_graphs == 0) throw invalid_argument{"max_graphs", "at least 1", "0"};
  if (histogram.size() < 2 || histogram.size() > most_batches + 1) {
    throw invalid_argument{
        "histogram", "entries for batch 0 to 1, or to at most " + std::to_string(most_batches),
        std::to_string(histogram.size()) + " entries"};
  }
  if (times.empty()) throw invalid_argument{"times", "at least one", "none"};
  for (const auto& [bucket, microseconds] : times) {
    if (bucket < 1) {
      throw invalid_argument{"times", "buckets of at least 1", std::to_string(bucket)};
    }
    if (!std::isfinite(microseconds) || microseconds <= 0.0) {
      throw invalid_argument{
          "times", "a positive, finite time",
          std::to_string(microseconds) + " us for bucket " + std::to_string(bucket)};
    }
  }
}

/** The time of any bucket, from those measured: straight lines that never fall. */
class time_curve {
 public:
  explicit time_curve(std::span<const bucket_time> times) : points_{times.begin(), times.end()} {
    std::ranges::sort(points_, {}, &bucket_time::bucket);
    const auto twice = std::ranges::adjacent_find(points_, {}, &bucket_time::bucket);
    if (twice != points_.end()) {
      throw invalid_argument{"times", "each bucket once", std::to_string(twice->bucket) + " twice"};
    }
    for (std::size_t i = 1; i < points_.size(); ++i) {
      points_[i].microseconds = std::max(points_[i].microseconds, points_[i - 1].microseconds);
    }
    points_.insert(points_.begin(), {0, launch_cost()});
  }

  [[nodiscard]] double operator()(std::int32_t bucket) const {
    const auto above = std::ranges::upper_bound(points_.begin() + 1, points_.end() - 1, bucket, {},
                                                &bucket_time::bucket);
    return line(*std::prev(above), *above, bucket);
  }

 private:
  static double line(const bucket_time& from, const bucket_time& to, std::int32_t bucket) {
    const double part =
        static_cast<double>(bucket - from.bucket) / static_cast<double>(to.bucket - from.bucket);
    return std::lerp(from.microseconds, to.microseconds, part);
  }

  /** Where the line through the first two points meets bucket 0. */
  [[nodiscard]] double launch_cost() const {
    return points_.size() == 1 ? 0.0 : std::max(0.0, line(points_[0], points_[1], 0));
  }

  std::vector<bucket_time> points_;
};

/** What there is to serve. No bucket but these is worth having: any other sinks to the largest
 *  batch that it serves, and serves the same ones no slower. */
struct demand {
  std::vector<std::int32_t> buckets;  ///< the batches seen, ascending, and the largest
  std::vector<double> microseconds;   ///< of each
  std::vector<double> replays{0.0};   ///< entry n: of the first n

  demand(std::span<const std::uint64_t> histogram, const time_curve& time) {
    for (std::size_t batch = 1; batch < histogram.size(); ++batch) {
      if (histogram[batch] == 0 && batch + 1 < histogram.size()) continue;
      buckets.push_back(static_cast<std::int32_t>(batch));
      microseconds.push_back(time(buckets.back()));
      replays.push_back(replays.back() + static_cast<double>(histogram[batch]));
    }
  }
};

/** How a number of buckets best serves the first n batches of a demand, for each n, the largest of
 *  the n being the last bucket. */
struct partition {
  std::vector<double> cost;
  std::vector<std::size_t> front;  ///< how many of the n the buckets before the last serve
};

partition with_one_more(const std::vector<double>& cost, const demand& demand) {
  partition next{std::vector<double>(cost.size(), std::numeric_limits<double>::infinity()),
                 std::vector<std::size_t>(cost.size(), 0)};
  for (std::size_t n = 1; n < cost.size(); ++n) {
    for (std::size_t front = 0; front < n; ++front) {
      const double replays = demand.replays[n] - demand.replays[front];
      const double total = cost[front] + replays * demand.microseconds[n - 1];
      if (total >= next.cost[n]) continue;
      next.cost[n] = total;
      next.front[n] = front;
    }
  }
  return next;
}

}  // namespace

bucket_policy suggest_buckets(std::span<const std::uint64_t> histogram, std::size_t max_graphs,
                              std::span<const bucket_time> times) {
  check_arguments(histogram, max_graphs, times);
  const demand demand{histogram, time_curve{times}};
  const std::size_t count = demand.buckets.size();
  std::vector<double> cost(count + 1, std::numeric_limits<double>::infinity());
  cost[0] = 0.0;  // no bucket serves no batch
  std::vector<std::vector<std::size_t>> fronts;
  while (fronts.size() < std::min(max_graphs, count)) {
    partition next = with_one_more(cost, demand);
    // As times do not fall, the costs form a Monge array, and what one bucket more gains never
    // grows with their number: once it is nothing, rounding aside, it stays nothing.
    constexpr double rounding = 1e-12;
    if (next.cost[count] >= cost[count] * (1.0 - rounding)) break;
    cost = std::move(next.cost);
    fronts.push_back(std::move(next.front));
  }

  std::vector<std::int32_t> buckets;
  for (std::size_t served = count; !fronts.empty(); fronts.pop_back()) {
    buckets.push_back(demand.buckets[served - 1]);
    served = fronts.back()[served];
  }
  return bucket_policy{std::move(buckets)};
}

}  // namespace ssugraph
