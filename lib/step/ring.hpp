#pragma once

#include "lib/core/host_device.hpp"
#include "lib/step/sequence.hpp"

#include <ssugraph/rings.hpp>

#include <cstdint>

/**
 * The rings of checkpointed states: what is live of each, and how that goes on from step to step.
 * One source for the kernels, the CPU and the checks; ssugraph/rings.hpp has the rule. Nothing of
 * what cursors and plans hold is trusted: a cursor that no step can have left is not used, and what
 * a plan says is cut to what there is.
 */
namespace ssugraph::detail {

/** Live and new rows of a ring at most: more than W + 2T - 1 of the largest W and T. */
inline constexpr int max_ring_rows = 128;
inline constexpr int max_checkpoint_interval = 64;
inline constexpr int max_ring_tokens = 16;

/** Behind which no checkpoint is planned: positions are 32 bits. */
inline constexpr std::int32_t max_ring_position = 0x7fffffff - max_checkpoint_interval;

/** What cursors of a group of layers are of. */
struct ring_rule {
  index_tensor cursor;    ///< (slots, 4) int32, rows dense
  index_tensor accepted;  ///< of the previous step; absent: all, or a plan says
  std::int64_t slots;
  std::int64_t rows;      ///< R
  std::int64_t interval;  ///< W

  bool operator==(const ring_rule&) const = default;
};

SSUGRAPH_HOST_DEVICE inline ring_cursor* cursor_of(const ring_rule& ring, std::int64_t slot) {
  auto* const first = static_cast<std::int32_t*>(const_cast<void*>(ring.cursor.data));
  return reinterpret_cast<ring_cursor*>(first + slot * ring.cursor.stride[0]);
}

/** Whether a step can have left it. */
SSUGRAPH_HOST_DEVICE inline bool is_sound(const ring_rule& ring, const ring_cursor& cursor) {
  const bool has_position = cursor.position >= 0 && cursor.position <= max_ring_position;
  const std::int64_t most_pending =
      ring.interval < max_ring_tokens ? ring.interval : max_ring_tokens;
  return has_position && cursor.start >= 0 && cursor.start < ring.rows && cursor.count >= 0 &&
         cursor.count < ring.interval - cursor.position % ring.interval && cursor.pending >= 0 &&
         cursor.pending <= most_pending && cursor.count + cursor.pending <= ring.rows;
}

/** The slot of a sequence and its length in this step; no_slot: it is null or empty. */
struct ring_sequence {
  std::int64_t slot;
  int length;
};

template <class Rule>
SSUGRAPH_HOST_DEVICE ring_sequence ring_sequence_of(const Rule& sequences, std::int64_t sequence) {
  const int length = rows_of(sequences, sequence).length;
  return {length == 0 ? no_slot : source_slot(sequences, sequence), length};
}

/** Plans sequence `i` and advances its cursor. `sequences` store nothing behind every token. */
template <class Rule>
SSUGRAPH_HOST_DEVICE ring_plan_row advance_ring(const ring_rule& ring, const Rule& sequences,
                                                std::int64_t i) {
  const auto [slot, length] = ring_sequence_of(sequences, i);
  if (slot < 0 || slot >= ring.slots) return {};
  ring_cursor* const stored = cursor_of(ring, slot);
  const ring_cursor now = *stored;
  if (!is_sound(ring, now)) return {};
  const auto interval = static_cast<std::int32_t>(ring.interval);
  std::int64_t accepted = now.pending;
  if (ring.accepted.data != nullptr && now.pending > 0)
    accepted = clamp(load_index(ring.accepted, i * ring.accepted.stride[0]), 1, now.pending);
  const auto most = static_cast<std::int64_t>(ring.rows) - length;
  const auto count = static_cast<std::int32_t>(clamp(now.count + accepted, 0, most));
  const std::int32_t due = interval - now.position % interval;
  const std::int32_t flush = count >= due ? due : 0;
  const std::int32_t position = now.position + flush;
  const auto rows = static_cast<std::int32_t>(ring.rows);
  *stored = {(now.start + flush) % rows, count - flush, length, position};
  return {now.start,
          count,
          flush,
          length,
          now.pending > 0 ? static_cast<std::int32_t>(accepted) : 1,
          static_cast<std::int32_t>(slot),
          position,
          0};
}

/** What a layer does with a sequence: a plan, cut to a ring of `rows` rows and to the `length`
 *  tokens that the sequence has. */
struct live_ring {
  std::int64_t slot;  ///< no_slot: the sequence is null
  int start;
  int count;
  int flush;
  std::int32_t position;

  /** The ring row of live input or new token `j`. */
  [[nodiscard]] SSUGRAPH_HOST_DEVICE int row(int j, int rows) const {
    const int at = start + j;
    return at < rows ? at : at - rows;
  }
};

/** As everywhere, there is no null block without indices. */
template <class Rule>
SSUGRAPH_HOST_DEVICE live_ring live_ring_of(const ring_plan_row& plan, const Rule& sequences,
                                            int rows, int length) {
  const std::int64_t null = sequences.indices.data != nullptr ? sequences.null_block_id : no_slot;
  const bool is_live = plan.slot >= 0 && plan.slot < sequences.slots && plan.slot != null;
  const auto count = static_cast<int>(clamp(plan.count, 0, rows - length));
  return {.slot = is_live ? plan.slot : no_slot,
          .start = plan.start >= 0 && plan.start < rows ? plan.start : 0,
          .count = count,
          .flush = static_cast<int>(clamp(plan.flush, 0, count)),
          .position = plan.position};
}

/** Where the plan of a sequence is. */
SSUGRAPH_HOST_DEVICE inline const ring_plan_row& plan_row(const index_tensor& plan,
                                                          std::int64_t sequence) {
  const auto* const first = static_cast<const std::int32_t*>(plan.data);
  return *reinterpret_cast<const ring_plan_row*>(first + sequence * plan.stride[0]);
}

/** By the rule of other engines' trackers; `positions` may be absent. */
template <class Rule>
SSUGRAPH_HOST_DEVICE ring_plan_row plan_from_trackers(const Rule& sequences,
                                                      const index_tensor& starts,
                                                      const index_tensor& counts,
                                                      const index_tensor& positions,
                                                      std::int64_t interval, std::int64_t i) {
  const auto [slot, length] = ring_sequence_of(sequences, i);
  if (slot < 0) return {};
  const auto start = static_cast<std::int32_t>(load_index(starts, slot * starts.stride[0]));
  const auto count = static_cast<std::int32_t>(load_index(counts, slot * counts.stride[0]));
  const std::int32_t flush = std::int64_t{count} + length > interval ? count : 0;
  std::int32_t position = 0;
  if (positions.data != nullptr) {
    const std::int64_t before = load_index(positions, slot * positions.stride[0]);
    position = static_cast<std::int32_t>(clamp(before + flush, 0, max_ring_position));
  }
  return {start, count, flush, length, length, static_cast<std::int32_t>(slot), position, 0};
}

}  // namespace ssugraph::detail
