#pragma once

#include <algorithm>
#include <cstdint>

namespace ssugraph::detail {

/**
 * How the launches of a measurement share out the slots of a scratch state: each owns a position,
 * so that much memory lies between two visits of a slot.
 */
struct slot_rotation {
  /** More positions than that only lengthen the graph. */
  static constexpr std::int64_t max_positions = 128;

  std::int64_t slots_a_sequence = 1;
  std::int64_t slot_bytes = 1;
  std::int64_t bytes_between_visits = 0;

  /** Slots of one launch. One more than it uses: the null block is not among those. */
  [[nodiscard]] constexpr std::int64_t slots_of(std::int64_t sequences) const noexcept {
    return sequences * slots_a_sequence + 1;
  }

  /** At least two, or neighbours could not overlap. */
  [[nodiscard]] constexpr std::int64_t positions_of(std::int64_t sequences) const noexcept {
    const std::int64_t bytes = slots_of(sequences) * slot_bytes;
    return std::clamp<std::int64_t>((bytes_between_visits + bytes - 1) / bytes, 2, max_positions);
  }

  /** Slots that every launch of up to `sequences` sequences gets by with. */
  [[nodiscard]] constexpr std::int64_t slots_up_to(std::int64_t sequences) const noexcept {
    std::int64_t slots = 0;
    for (std::int64_t n = 1; n <= sequences; ++n)
      slots = std::max(slots, positions_of(n) * slots_of(n));
    return slots;
  }

  /** The first slot of launch `launch`, of `slots` in all. As far apart as those allow, as the
   *  states of layers are. */
  [[nodiscard]] constexpr std::int64_t first_slot(std::int64_t launch, std::int64_t sequences,
                                                  std::int64_t slots) const noexcept {
    const std::int64_t positions = positions_of(sequences);
    return launch % positions * (slots / positions);
  }
};

}  // namespace ssugraph::detail
