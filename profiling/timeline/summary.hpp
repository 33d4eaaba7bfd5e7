#pragma once

#include "profiling/timeline/events.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ssugraph::timeline {

/**
 * Of each interval, sorted by their begins, the time in which it ran and no earlier one did. A
 * kernel that starts early under the one in front mostly waits for it: that time counts as the
 * front one's. What is left between the first begin and the last end is gap.
 */
[[nodiscard]] std::vector<std::uint64_t> exclusive_times(std::span<const interval> intervals);

/** What a device event belongs to. */
enum class kinship : std::uint8_t {
  step,          ///< a step of a recorded graph
  unattributed,  ///< a graph's, but nobody told whose
  outside,       ///< no graph's
};

/** A device event with what is known of it. */
struct attributed_event {
  const device_event* event = nullptr;
  kinship kin = kinship::outside;
  const node_owner* owner = nullptr;  ///< of kin `step`
  std::uint64_t exclusive = 0;        ///< ns
  std::optional<std::int64_t> batch = {};
  std::int64_t bytes = 0;            ///< that its step moved in this replay
  std::uint64_t step_exclusive = 0;  ///< ns of all nodes of its step in this replay
};

/** By device, then by begin. Points into `recorded`. */
[[nodiscard]] std::vector<attributed_event> attribute(const recording& recorded);

/** All calls of one step in one bucket, or all that is of no step. A call is a step in one replay.
 */
struct summary_row {
  std::string bucket;
  std::string step;
  std::size_t calls = 0;
  double median_us = 0.0;     ///< of a call's exclusive time
  double p99_us = 0.0;        ///< the same
  double exclusive_us = 0.0;  ///< of all calls
  double share = 0.0;         ///< of the span
  double gb_s = 0.0;          ///< 0: it moves nothing that is known
};

struct summary {
  std::vector<summary_row> rows;   ///< by bucket, then in the order of the steps; others last
  double gap_in_replays_us = 0.0;  ///< between kernels of one graph launch
  double gap_us = 0.0;             ///< between others
  double span_us = 0.0;            ///< from the first begin to the last end, summed over devices
  std::size_t attributed = 0;
  std::size_t unattributed = 0;
  std::size_t outside = 0;
};

[[nodiscard]] summary summarise(std::span<const attributed_event> events);

/** The table for people. */
[[nodiscard]] std::string to_text(const summary& summary, const recording& recorded);

}  // namespace ssugraph::timeline
