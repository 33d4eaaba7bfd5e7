#pragma once

#include "lib/step/ring.hpp"

#include <ssugraph/rings.hpp>

#include <algorithm>
#include <cstdint>

namespace ssugraph::detail {

/**
 * What a timed step does with sequence `i` of so many: their positions are spread over the W tokens
 * between two checkpoints, all `tokens` that each steps are accepted, and so T of W of them store a
 * checkpoint, as they do in the long run. Of a ring that is shorter, no more than it has.
 */
[[nodiscard]] inline ring_plan_row spread_ring(const ring_rule& ring, std::int64_t tokens,
                                               std::int64_t i, std::int64_t sequences,
                                               std::int64_t slot) {
  const std::int64_t since_checkpoint = (2 * i + 1) * ring.interval / (2 * sequences);
  const std::int64_t count = std::min(since_checkpoint + tokens, ring.rows - tokens);
  const std::int64_t flush = count >= ring.interval ? ring.interval : 0;
  return {.start = 0,
          .count = static_cast<std::int32_t>(count),
          .flush = static_cast<std::int32_t>(flush),
          .length = static_cast<std::int32_t>(tokens),
          .shift = static_cast<std::int32_t>(tokens),
          .slot = static_cast<std::int32_t>(slot),
          .position = static_cast<std::int32_t>(flush),
          .reserved = 0};
}

}  // namespace ssugraph::detail
