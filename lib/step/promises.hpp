#pragma once

#include "lib/core/host_device.hpp"
#include "lib/step/operand.hpp"
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
};

/** What is promised of one step of the library's, by the tensors that it is launched on. */
struct promised {
  sequence_rule rule;
  std::int32_t step = -1;  ///< negative: the entry is empty
};

/** The smallest (sequence, step, promise) that was broken, as one word. */
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

/** What a sequence breaks by itself. */
SSUGRAPH_HOST_DEVICE inline bool breaks_alone(const sequence_rule& rule, std::int64_t rows,
                                              std::int64_t sequence, promise& broken) {
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
  if (rule.accepted.data != nullptr) {
    const std::int64_t accepted = load_index(rule.accepted, sequence, 0);
    if (breaks(accepted < 0 || accepted > rule.max_seqlen, promise::accepted)) return true;
  }
  if (rows_of(rule, sequence).length == 0) return false;
  const std::int64_t source = source_index(rule, sequence);
  if (breaks(!reads_null(rule, sequence) && !is_slot(rule.slots, source), promise::source))
    return true;
  const std::int64_t count = write_count(rule, sequence);
  for (std::int64_t t = 0; t < count; ++t) {
    const std::int64_t slot = destination_index(rule, sequence, t);
    if (breaks(slot != rule.null_block_id && !is_slot(rule.dst_slots, slot), promise::destination))
      return true;
  }
  return false;
}

/** What a sequence breaks against those in front of it, or among its own destinations. */
SSUGRAPH_HOST_DEVICE inline bool breaks_with_earlier(const sequence_rule& rule,
                                                     std::int64_t sequence, promise& broken) {
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
    if (!breaks_alone(of.rule, rows, sequence, broken) &&
        !breaks_with_earlier(of.rule, sequence, broken)) {
      continue;
    }
    const broken_promise word =
        ((static_cast<broken_promise>(sequence) << step_bits | static_cast<broken_promise>(of.step))
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
  std::int64_t sequence;
};

[[nodiscard]] broken_entry entry_of(broken_promise broken) noexcept;

/** Throws invalid_argument for what was broken of the step of these operands and this rule; `when`
 *  ends the words of what came. */
[[noreturn]] void throw_broken(const broken_entry& broken, std::span<const operand> operands,
                               const sequence_rule& rule, const std::string& when = {});

}  // namespace ssugraph::detail
