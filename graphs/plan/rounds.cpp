#include "graphs/plan/rounds.hpp"

#include "graphs/core/median.hpp"

#include <algorithm>
#include <limits>

namespace ssugraph::detail {
namespace {

/** Rounds end after so many, or once the fastest candidate has run for so long. */
constexpr int min_rounds = 5;
constexpr int max_rounds = 15;
constexpr double enough_us = 4000.0;
/** A candidate this much slower than the fastest after one round is not timed again. */
constexpr double hopeless = 1.2;

}  // namespace

std::vector<double> time_in_rounds(std::size_t candidates,
                                   const std::function<double(std::size_t)>& time_us) {
  std::vector<std::vector<double>> times(candidates);
  double best = std::numeric_limits<double>::infinity();
  double fastest_ran_us = 0.0;
  for (int round = 0; round < max_rounds; ++round) {
    if (round >= min_rounds && fastest_ran_us > enough_us) break;
    if (round > 0) fastest_ran_us += best;
    for (std::size_t i = 0; i < candidates; ++i) {
      if (round > 0 && times[i].front() > hopeless * best) continue;
      times[i].push_back(time_us(i));
      best = std::min(best, times[i].back());
    }
  }
  std::vector<double> medians(candidates);
  std::ranges::transform(times, medians.begin(), median);
  return medians;
}

}  // namespace ssugraph::detail
