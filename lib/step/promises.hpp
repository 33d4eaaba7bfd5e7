#pragma once

#include "lib/core/host_device.hpp"
#include "lib/step/operand.hpp"
#include "lib/step/ring.hpp"
#include "lib/step/sequence.hpp"
#include "lib/step/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

/**
 * The promises: what a caller owes of index and count tensors. In checked mode every replay
 * verifies them on the lane's padded copies, right behind the prologue: on a GPU by a node of that
 * name; an eager call on the tensors themselves, before anything else. One source for the kernels
 * and the host.
 */
namespace ssugraph::detail {

/** A promise that a sequence can break, alone or against an earlier one. */
enum class promise : std::uint8_t {
  first_row,         ///< cu_seqlens start at 0 or more
  order,             ///< and do not decrease
  length,            ///< and leave at most T rows
  rows,              ///< all of them among the bucket's
  accepted,          ///< 0 <= accepted <= T
  source,            ///< null or in [0, slots)
  destination,       ///< the same
  written_once,      ///< its destinations are no other ones
  destination_free,  ///< its destinations are nobody's sources
  source_unwritten,  ///< its source is nobody's destination
  cursor,            ///< that of its slot is one that a step left
  plan_slot,         ///< null or in [0, slots)
  plan_rows,         ///< a start in the ring, and no more rows than it has
  plan_flush,        ///< of no more than the live ones
  plan_index,        ///< the slot that the sequence's index names
  plan_length,       ///< the tokens that the sequence has
};

/** What is promised of one step of the library's, by the tensors that it is launched on. */
struct promised {
  sequence_rule rule;
  ring_rule ring = {};     ///< R of 0: the step has none
  index_tensor plan = {};  ///< a caller's, in place of the cursor
  std::int32_t step = -1;  ///< negative: the entry is empty

  [[nodiscard]] bool same_promises(const promised& other) const {
    return rule == other.rule && ring == other.ring && plan == other.plan;
  }
};

/** The smallest (sequence, step, promise) that was broken, as one word; of a cursor, its slot is in
 *  the sequence's place. */
using broken_promise = std::uint64_t;
inline constexpr broken_promise none_broken = ~broken_promise{0};
inline constexpr int step_bits = 24;
inline constexpr int promise_bits = 8;

struct promise_params {
  const std::int32_t* sequences;  ///< one: how many are live
  const promised* entries;
  std::int32_t entry_count;
  std::int64_t rows;       ///< of the bucket
  broken_promise* broken;  ///< takes the first report; none_broken once that is read
};

/** Whether one of the first `tokens` tokens of a sequence writes `slot`. */
SSUGRAPH_HOST_DEVICE inline bool writes(const sequence_rule& rule, std::int64_t sequence,
                                        std::int64_t tokens, std::int64_t slot) {
  if (slot == rule.null_block_id) return false;
  for (std::int64_t t = 0; t < tokens; ++t) {
    if (destination_index(rule, sequence, t) == slot) return true;
  }
  return false;
}

SSUGRAPH_HOST_DEVICE inline bool is_slot(std::int64_t slots, std::int64_t index) {
  return index >= 0 && index < slots;
}

/** Whether a sequence has no slot by a caller's plan. */
SSUGRAPH_HOST_DEVICE inline bool is_null_plan(const promised& of, const ring_plan_row& plan) {
  const bool has_null = of.rule.indices.data != nullptr;
  return plan.slot == no_slot || (has_null && plan.slot == of.rule.null_block_id);
}

/** What a sequence of `length` tokens, at least one, breaks of a caller's plan. */
SSUGRAPH_HOST_DEVICE inline bool breaks_plan(const promised& of, std::int64_t sequence, int length,
                                             promise& broken) {
  const ring_plan_row plan = plan_row(of.plan, sequence);
  if (is_null_plan(of, plan)) return false;
  const bool has_rows = is_slot(of.ring.rows, plan.start) && plan.count >= 0 &&
                        std::int64_t{plan.count} + length <= of.ring.rows;
  const bool is_index =
      of.rule.indices.data == nullptr || plan.slot == source_index(of.rule, sequence);
  broken = !is_slot(of.ring.slots, plan.slot) ? promise::plan_slot
           : !is_index                        ? promise::plan_index
           : !has_rows                        ? promise::plan_rows
           : plan.length != length            ? promise::plan_length
                                              : promise::plan_flush;
  return broken != promise::plan_flush || plan.flush < 0 || plan.flush > plan.count;
}

/** With rings of the previous step, which may have had more tokens than this one's T. */
SSUGRAPH_HOST_DEVICE inline std::int64_t most_accepted(const promised& of) {
  return of.ring.rows > 0 ? max_ring_tokens : of.rule.max_seqlen;
}

/** What a sequence breaks by itself. */
SSUGRAPH_HOST_DEVICE inline bool breaks_alone(const promised& of, std::int64_t rows,
                                              std::int64_t sequence, promise& broken) {
  const sequence_rule& rule = of.rule;
  const auto breaks = [&](bool is_broken, promise which) {
    if (is_broken) broken = which;
    return is_broken;
  };
  if (rule.cu_seqlens.data != nullptr) {
    const std::int64_t begin = load_index(rule.cu_seqlens, sequence, 0);
    const std::int64_t end = load_index(rule.cu_seqlens, sequence + 1, 0);
    if (breaks(begin < 0, promise::first_row) || breaks(end < begin, promise::order) ||
        breaks(end - begin > rule.max_seqlen, promise::length) ||
        breaks(end > rows, promise::rows)) {
      return true;
    }
  }
  const index_tensor& counts = of.ring.rows > 0 ? of.ring.accepted : rule.accepted;
  if (counts.data != nullptr) {
    const std::int64_t accepted = load_index(counts, sequence, 0);
    if (breaks(accepted < 0 || accepted > most_accepted(of), promise::accepted)) return true;
  }
  const int length = rows_of(rule, sequence).length;
  if (length == 0) return false;
  const std::int64_t source = source_index(rule, sequence);
  if (breaks(!reads_null(rule, sequence) && !is_slot(rule.slots, source), promise::source))
    return true;
  const std::int64_t count = write_count(rule, sequence);
  for (std::int64_t t = 0; t < count; ++t) {
    const std::int64_t slot = destination_index(rule, sequence, t);
    if (breaks(slot != rule.null_block_id && !is_slot(rule.dst_slots, slot), promise::destination))
      return true;
  }
  if (of.plan.data != nullptr) return breaks_plan(of, sequence, length, broken);
  if (of.ring.cursor.data == nullptr || count == 0) return false;
  return breaks(!is_sound(of.ring, *cursor_of(of.ring, source)), promise::cursor);
}

/** Whether an earlier sequence has the slot of this one by a caller's plan. */
SSUGRAPH_HOST_DEVICE inline bool plans_slot_again(const promised& of, std::int64_t sequence) {
  const ring_plan_row& mine = plan_row(of.plan, sequence);
  if (rows_of(of.rule, sequence).length == 0 || is_null_plan(of, mine)) return false;
  for (std::int64_t other = 0; other < sequence; ++other) {
    if (rows_of(of.rule, other).length > 0 && plan_row(of.plan, other).slot == mine.slot)
      return true;
  }
  return false;
}

/** What a sequence breaks against those in front of it, or among its own destinations. */
SSUGRAPH_HOST_DEVICE inline bool breaks_with_earlier(const promised& of, std::int64_t sequence,
                                                     promise& broken) {
  if (of.plan.data != nullptr) {
    broken = promise::written_once;
    return plans_slot_again(of, sequence);
  }
  const sequence_rule& rule = of.rule;
  const std::int64_t count = write_count(rule, sequence);
  const std::int64_t source = source_index(rule, sequence);
  bool found = false;
  const auto take = [&](promise which) {
    if (!found || which < broken) broken = which;
    found = true;
  };
  for (std::int64_t other = 0; other <= sequence; ++other) {
    const bool self = other == sequence;
    const std::int64_t other_count = write_count(rule, other);
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t slot = destination_index(rule, sequence, t);
      if (slot == rule.null_block_id) continue;
      if (writes(rule, other, self ? t : other_count, slot)) take(promise::written_once);
      if (!rule.is_apart && !self && other_count > 0 && source_index(rule, other) == slot)
        take(promise::destination_free);
    }
    if (!rule.is_apart && !self && count > 0 && writes(rule, other, other_count, source))
      take(promise::source_unwritten);
  }
  return found;
}

/** The first promise that this worker's share of the first `live` sequences, which have `rows`
 * rows, breaks. */
SSUGRAPH_HOST_DEVICE inline broken_promise first_broken(const promised* entries, std::int32_t count,
                                                        std::int64_t rows, std::int64_t live,
                                                        worker w) {
  broken_promise first = none_broken;
  for (std::int64_t i = w.index; i < live * count; i += w.count) {
    const promised& of = entries[i / live];
    const std::int64_t sequence = i % live;
    if (of.step < 0) continue;
    promise broken{};
    if (!breaks_alone(of, rows, sequence, broken) && !breaks_with_earlier(of, sequence, broken))
      continue;
    const std::int64_t place =
        broken == promise::cursor ? source_index(of.rule, sequence) : sequence;
    const broken_promise word =
        ((static_cast<broken_promise>(place) << step_bits | static_cast<broken_promise>(of.step))
         << promise_bits) |
        static_cast<broken_promise>(broken);
    if (word < first) first = word;
  }
  return first;
}

/** By one worker. What is not read yet stays: the earlier replay's. */
SSUGRAPH_HOST_DEVICE inline void report_first(volatile broken_promise* reported,
                                              broken_promise first) {
  if (first != none_broken && *reported == none_broken) *reported = first;
}

/** A report taken apart. */
struct broken_entry {
  promise which;
  std::size_t step;
  std::int64_t place;  ///< the sequence; of a cursor, the slot
};

[[nodiscard]] broken_entry entry_of(broken_promise broken) noexcept;

/** Throws invalid_argument for what was broken `of` the step of these operands; `when` ends the
 *  words of what came. */
[[noreturn]] void throw_broken(const broken_entry& broken, std::span<const operand> operands,
                               const promised& of, const std::string& when = {});

}  // namespace ssugraph::detail
