#include "graphs/record/bucket_graph.hpp"

#include <algorithm>
#include <variant>

namespace ssugraph::detail {

bool recorded_step::is_ours() const {
  return std::ranges::all_of(launches, [](const step_launch& launch) {
    return std::holds_alternative<kernel_launch>(launch);
  });
}

}  // namespace ssugraph::detail
