#pragma once

#include "lib/step/planned_step.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace ssugraph::detail {

/** How the launches of a pipeline follow one another, and so those that are measured. */
enum class launch_manner : std::uint8_t {
  in_turn,       ///< without programmatic dependent launch
  overlapping,   ///< each overlaps the one in front, as if a step of another kind followed
  back_to_back,  ///< and may let the next start early: steps of the library follow one another
};

/** What sets apart measurements that may differ: all but alignment and strides beyond what the
 *  candidates and a problem's misalignment tell. `row_budget`: of the pipeline; 0: none. */
[[nodiscard]] std::string tuning_key(const checked_step& step, launch_manner manner,
                                     std::int64_t row_budget,
                                     std::span<const plan_choice> candidates);

}  // namespace ssugraph::detail
