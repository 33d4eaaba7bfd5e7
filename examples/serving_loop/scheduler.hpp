#pragma once

#include "trace.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace serving_loop {

/** A request that decodes. It owns its slots, from first_slot on, until it is done. */
struct sequence {
  std::int32_t request;
  std::int32_t first_slot;
  std::int32_t position;   ///< of the token of this step (of the first of T drafted ones)
  std::int32_t accepted;   ///< tokens of the step before that were accepted; 1 in the first step
  std::int32_t remaining;  ///< tokens still to be generated
  std::int32_t generated;  ///< tokens so far
};

struct schedule_options {
  std::int32_t max_batch = 256;
  std::int32_t tokens = 1;  ///< T: of a sequence in a step
  std::int32_t slots = 1;   ///< of a sequence
  seconds step_time{0.030};
  double speedup = 10;  ///< arrivals come so many times faster than in the trace
};

/**
 * Continuous batching on virtual time: requests arrive, wait first in first out for one of
 * `max_batch` places, decode in every step until they are done, and leave. A step takes
 * `step_time`; while nothing runs or waits, time jumps to the next arrival. Slot 0 is nobody's: it
 * is the null block that pads a bucket. The trace must outlive the scheduler.
 */
class scheduler {
 public:
  scheduler(const trace& requests, schedule_options options);

  /** Lets requests in and returns those that run in this step, or none once all are done. */
  std::span<const sequence> begin_step();
  /** The ones among them, at the end, whose first step it is. */
  [[nodiscard]] std::span<const sequence> started() const;
  /** The step is over: sequences advance by what they accept; who is done leaves. */
  void end_step();

  /** Tokens generated so far. */
  [[nodiscard]] std::int64_t tokens() const { return tokens_; }
  /** Requests that have arrived and wait. */
  [[nodiscard]] std::size_t queued() const;
  /** Virtual time. */
  [[nodiscard]] seconds now() const { return now_; }

 private:
  [[nodiscard]] seconds arrival(std::size_t request) const;

  const trace* requests_;
  schedule_options options_;
  seconds now_{0};
  std::size_t next_ = 0;  // first request that was not let in yet
  std::vector<sequence> running_;
  std::size_t started_ = 0;
  std::vector<std::int32_t> free_slots_;
  std::int64_t tokens_ = 0;
};

}  // namespace serving_loop
