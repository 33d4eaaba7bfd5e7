#pragma once

#include "graphs/prologue.hpp"
#include "lib/core/host_device.hpp"

#include <cstdint>

/**
 * What a caller promises of index and count tensors, verified in checked mode on the lane's padded
 * copies, behind the prologue of every replay. One source for the kernel and the host.
 */
namespace ssugraph::detail {

struct pipeline_core;

/** A promise that a sequence can break, alone or against an earlier one. */
enum class promise : std::uint8_t {
  first_row,         ///< cu_seqlens start at 0 or more
  order,             ///< and do not decrease
  length,            ///< and leave at most T rows
  accepted,          ///< 0 <= accepted <= T
  source,            ///< null or in [0, slots)
  destination,       ///< the same
  written_once,      ///< its destinations are no other ones
  destination_free,  ///< its destinations are nobody's sources
  source_unwritten,  ///< its source is nobody's destination
};

/** A dense index or count tensor of a lane. */
struct padded_copy {
  const void* data;  ///< null: not bound
  std::int64_t columns;
  bool wide;  ///< int64, else int32

  bool operator==(const padded_copy&) const = default;
};

/** What is promised of one SSU step. */
struct promised {
  padded_copy indices;  ///< unbound: the entry is empty
  padded_copy dst_indices;
  padded_copy accepted;
  padded_copy cu_seqlens;
  std::int64_t slots;
  std::int64_t null_block_id;
  std::int64_t max_seqlen;
  std::int32_t step;

  [[nodiscard]] bool same_promises(const promised& other) const {
    return indices == other.indices && dst_indices == other.dst_indices &&
           accepted == other.accepted && cu_seqlens == other.cu_seqlens && slots == other.slots &&
           null_block_id == other.null_block_id && max_seqlen == other.max_seqlen;
  }
};

/** The smallest (sequence, step, promise) that was broken, as one word. */
using broken_promise = std::uint64_t;
inline constexpr broken_promise none_broken = ~broken_promise{0};
inline constexpr int step_bits = 24;
inline constexpr int promise_bits = 8;

struct promise_params {
  const live_counts* counts;
  const promised* entries;
  std::int32_t entry_count;
  broken_promise* broken;  ///< takes the first report; none_broken once that is read
};

SSUGRAPH_HOST_DEVICE inline std::int64_t read_copy(const padded_copy& copy, std::int64_t row,
                                                   std::int64_t column = 0) {
  const std::int64_t at = row * copy.columns + column;
  return copy.wide ? static_cast<const std::int64_t*>(copy.data)[at]
                   : static_cast<const std::int32_t*>(copy.data)[at];
}

SSUGRAPH_HOST_DEVICE inline std::int64_t clamped(std::int64_t value, std::int64_t low,
                                                 std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}

/** Tokens of a sequence, as the backends clamp them. */
SSUGRAPH_HOST_DEVICE inline std::int64_t length_of(const promised& of, std::int64_t sequence) {
  if (of.cu_seqlens.data == nullptr) return 1;
  const std::int64_t rows =
      read_copy(of.cu_seqlens, sequence + 1) - read_copy(of.cu_seqlens, sequence);
  return clamped(rows, 0, of.max_seqlen);
}

/** The slot that a sequence reads. */
SSUGRAPH_HOST_DEVICE inline std::int64_t source_of(const promised& of, std::int64_t sequence) {
  if (of.accepted.data == nullptr) return read_copy(of.indices, sequence);
  const std::int64_t accepted = read_copy(of.accepted, sequence);
  return read_copy(of.indices, sequence, clamped(accepted - 1, 0, of.max_seqlen - 1));
}

/** How many slots a sequence writes, null ones included: an empty or a null sequence none. */
SSUGRAPH_HOST_DEVICE inline std::int64_t write_count(const promised& of, std::int64_t sequence) {
  const std::int64_t length = length_of(of, sequence);
  if (length == 0 || source_of(of, sequence) == of.null_block_id) return 0;
  return of.accepted.data == nullptr ? 1 : length;
}

SSUGRAPH_HOST_DEVICE inline std::int64_t destination_of(const promised& of, std::int64_t sequence,
                                                        std::int64_t token) {
  return read_copy(of.dst_indices.data != nullptr ? of.dst_indices : of.indices, sequence, token);
}

/** Whether one of the first `tokens` tokens of a sequence writes `slot`. */
SSUGRAPH_HOST_DEVICE inline bool writes(const promised& of, std::int64_t sequence,
                                        std::int64_t tokens, std::int64_t slot) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    if (destination_of(of, sequence, t) == slot) return true;
  }
  return false;
}

SSUGRAPH_HOST_DEVICE inline bool is_slot(const promised& of, std::int64_t index) {
  return index >= 0 && index < of.slots;
}

/** What a sequence breaks by itself. */
SSUGRAPH_HOST_DEVICE inline bool breaks_alone(const promised& of, std::int64_t sequence,
                                              promise& broken) {
  const auto breaks = [&](bool is_broken, promise which) {
    if (is_broken) broken = which;
    return is_broken;
  };
  if (of.cu_seqlens.data != nullptr) {
    const std::int64_t begin = read_copy(of.cu_seqlens, sequence);
    const std::int64_t end = read_copy(of.cu_seqlens, sequence + 1);
    if (breaks(begin < 0, promise::first_row) || breaks(end < begin, promise::order) ||
        breaks(end - begin > of.max_seqlen, promise::length)) {
      return true;
    }
  }
  if (of.accepted.data != nullptr) {
    const std::int64_t accepted = read_copy(of.accepted, sequence);
    if (breaks(accepted < 0 || accepted > of.max_seqlen, promise::accepted)) return true;
  }
  if (length_of(of, sequence) == 0) return false;
  const std::int64_t source = source_of(of, sequence);
  if (breaks(source != of.null_block_id && !is_slot(of, source), promise::source)) return true;
  const std::int64_t count = write_count(of, sequence);
  for (std::int64_t t = 0; t < count; ++t) {
    const std::int64_t slot = destination_of(of, sequence, t);
    if (breaks(slot != of.null_block_id && !is_slot(of, slot), promise::destination)) return true;
  }
  return false;
}

/** What a sequence breaks against those in front of it, or among its own destinations. */
SSUGRAPH_HOST_DEVICE inline bool breaks_with_earlier(const promised& of, std::int64_t sequence,
                                                     promise& broken) {
  const std::int64_t count = write_count(of, sequence);
  const std::int64_t source = source_of(of, sequence);
  bool found = false;
  const auto take = [&](promise which) {
    if (!found || which < broken) broken = which;
    found = true;
  };
  for (std::int64_t other = 0; other <= sequence; ++other) {
    const bool self = other == sequence;
    const std::int64_t other_count = write_count(of, other);
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t slot = destination_of(of, sequence, t);
      if (slot == of.null_block_id) continue;
      if (writes(of, other, self ? t : other_count, slot)) take(promise::written_once);
      if (!self && other_count > 0 && source_of(of, other) == slot) take(promise::destination_free);
    }
    if (!self && count > 0 && writes(of, other, other_count, source))
      take(promise::source_unwritten);
  }
  return found;
}

/** The first promise that this worker's share of the live sequences breaks. */
SSUGRAPH_HOST_DEVICE inline broken_promise first_broken(const promise_params& p, worker w) {
  broken_promise first = none_broken;
  const std::int64_t live = p.counts->sequences;
  for (std::int64_t i = w.index; i < live * p.entry_count; i += w.count) {
    const promised& of = p.entries[i / live];
    const std::int64_t sequence = i % live;
    if (of.indices.data == nullptr) continue;
    promise broken{};
    if (!breaks_alone(of, sequence, broken) && !breaks_with_earlier(of, sequence, broken)) continue;
    const broken_promise word =
        ((static_cast<broken_promise>(sequence) << step_bits | static_cast<broken_promise>(of.step))
         << promise_bits) |
        static_cast<broken_promise>(broken);
    if (word < first) first = word;
  }
  return first;
}

/** By one worker. What is not read yet stays: the earlier replay's. */
SSUGRAPH_HOST_DEVICE inline void report_first(const promise_params& p, broken_promise first) {
  volatile broken_promise* const reported = p.broken;
  if (first != none_broken && *reported == none_broken) *reported = first;
}

/** Throws invalid_argument for what was reported in `broken`, if anything was, and clears it. */
void throw_broken(const pipeline_core& core, volatile broken_promise* broken);

}  // namespace ssugraph::detail
