#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace profiling {

/** Of `sorted` values, at least one: that of the nearest rank. The median is that of 0.5. */
[[nodiscard]] inline double quantile(const std::vector<double>& sorted, double share) {
  const double rank = share * static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(rank))];
}

}  // namespace profiling
