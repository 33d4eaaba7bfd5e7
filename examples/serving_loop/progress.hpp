#pragma once

#include "scheduler.hpp"
#include "trace.hpp"

#include <chrono>
#include <cstdint>

namespace serving_loop {

/** A line on stderr that shows how far the run is; nothing unless stderr is a terminal. */
class progress_bar {
 public:
  explicit progress_bar(const trace& requests);
  ~progress_bar();
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;

  /** Draws the line anew if the last time is long enough ago. */
  void show(const scheduler& schedule, std::int32_t batch);

 private:
  bool on_terminal_;
  std::int64_t total_tokens_ = 0;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace serving_loop
