#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

namespace ssugraph::detail {

/** The middle one of `values` by size, of an even number the larger of the two. There is one. */
[[nodiscard]] inline double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace ssugraph::detail
