#pragma once

#include <cstdint>

namespace ssugraph::detail {

/** A thread's place among those that share a loop. */
struct worker {
  std::int32_t index;
  std::int32_t count;
};

/** Nobody shares it. */
inline constexpr worker alone{.index = 0, .count = 1};

}  // namespace ssugraph::detail
