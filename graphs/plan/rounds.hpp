#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace ssugraph::detail {

/**
 * The median times of `candidates` candidates, in their order. They run in turns, round by round,
 * so that a change of clocks meets every one; `time_us` runs one of them once. Rounds end when
 * there are enough of them, and a candidate that is hopeless in the first is not run again.
 */
[[nodiscard]] std::vector<double> time_in_rounds(std::size_t candidates,
                                                 const std::function<double(std::size_t)>& time_us);

}  // namespace ssugraph::detail
