#pragma once

#include "profiling/bench/device_memory.hpp"
#include "profiling/bench/kernels.hpp"
#include "profiling/bench/options.hpp"
#include "profiling/bench/ring_phases.hpp"

#include <ssugraph/ssu.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace bench {

/**
 * Slots that a layer needs, the null block included, so that between two visits of a slot, state
 * of three times `cache_bytes` passes.
 */
[[nodiscard]] std::int64_t slots_for(const options& opts, const shape& s, std::int64_t cache_bytes);

/**
 * The index and count tensors of all layers, and their ring cursor. Slot 0 is the null block; the
 * others are dealt out in a random order, each replay the next ones, as the pool of a server that
 * has run for a while.
 */
class sequences {
 public:
  /** For every bucket of `opts`. Throws cuda_error. */
  sequences(const options& opts, std::int64_t slots);

  /** Sets the index and count tensors of `args`. */
  void bind(ssugraph::ssu_args& args) const;
  /** Sets those of the floor. */
  void bind(floor_job& job) const;

  /** From now on `live` sequences a replay, starting over with the first slots. Throws cuda_error.
   */
  void start(std::int32_t live);
  /** Gives them their next slots, with rings at the next position of the round, in the order of
   *  `stream`. Throws cuda_error. */
  void next(cudaStream_t stream);

  /** After so many each position of a ring counted alike. */
  [[nodiscard]] std::int64_t replays_a_round() const { return phases_ ? phases_->replays() : 1; }
  /** Of the sequences now; nothing without rings. */
  [[nodiscard]] const std::optional<ring_phases>& rings() const { return phases_; }

 private:
  const options* opts_;
  std::int64_t slot_count_;
  std::int64_t max_batch_;
  std::int64_t tokens_;
  std::int64_t slots_a_sequence_;
  std::size_t usable_slots_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::vector<std::int32_t> accepted_values_;
  std::optional<ring_phases> phases_;
  std::int64_t replay_ = 0;   ///< of the round
  device_memory order_;       ///< every slot but the null block
  device_memory slots_;       ///< (max_batch, slots_a_sequence), what the layers have bound
  device_memory accepted_;    ///< (max_batch), with speculative decoding
  device_memory cu_seqlens_;  ///< (max_batch + 1), with several tokens a sequence
  device_memory cursor_;      ///< (slots), with rings
  device_memory positions_;   ///< (replays of a round, live), what is put there
};

}  // namespace bench
