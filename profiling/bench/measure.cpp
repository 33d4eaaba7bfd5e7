#include "profiling/bench/measure.hpp"

#include "profiling/bench/kernels.hpp"
#include "profiling/quantile.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace bench {
namespace {

/** Longer than the host takes to enqueue a replay. */
constexpr double delay_us = 30.0;

/** Microseconds of one replay, the mean of a round. */
double time_round(replayable& replay, sequences& seqs, const stopwatch& watch) {
  const std::int64_t replays = seqs.replays_a_round();
  double us = 0;
  for (std::int64_t i = 0; i < replays; ++i) {
    seqs.next(watch.stream());
    replay.prepare(watch.stream());
    us += watch.time([&] { replay.run(watch.stream()); });
  }
  return us / static_cast<double>(replays);
}

}  // namespace

stopwatch::stopwatch()
    : delay_out_{allocate(stand_in_blocks() * sizeof(float))},
      delay_{stand_in_launch(delay_us, static_cast<float*>(delay_out_.get()), false)} {}

spread spread_of(std::vector<double> times) {
  using profiling::quantile;
  std::ranges::sort(times);
  return {quantile(times, 0.5), quantile(times, 0.1), quantile(times, 0.9), times.front()};
}

double copy_rate(const stopwatch& watch) {
  constexpr std::size_t bytes = 1 << 30;
  constexpr int warm_ups = 3;
  constexpr int rounds = 15;
  const device_memory from = allocate(bytes);
  const device_memory to = allocate(bytes);
  std::vector<double> times;
  for (int round = -warm_ups; round < rounds; ++round) {
    const double us = watch.time([&] {
      ssugraph::detail::check_cuda(
          cudaMemcpyAsync(to.get(), from.get(), bytes, cudaMemcpyDeviceToDevice, watch.stream()),
          "cudaMemcpyAsync");
    });
    if (round >= 0) times.push_back(us);
  }
  return 2.0 * bytes / spread_of(times).median;
}

std::vector<std::vector<double>> take_turns(std::vector<contender>& contenders, sequences& seqs,
                                            int rounds, const stopwatch& watch) {
  constexpr int warm_ups = 3;
  std::vector<std::vector<double>> times(contenders.size());
  // In turns, so that a change of clocks meets every contender.
  for (int round = -warm_ups; round < rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (!contenders[i].serves()) continue;
      const double us = time_round(*contenders[i].replay, seqs, watch);
      if (round >= 0) times[i].push_back(us);
    }
  }
  return times;
}

}  // namespace bench
