#pragma once

#include <ssugraph/ssugraph.h>

#include <stdexcept>
#include <string>

/** How exceptions become statuses. */
namespace ssugraph::c_api {

/** A custom step's C function gave something else than 0. */
class callback_failed : public std::runtime_error {
 public:
  callback_failed(const std::string& step, std::int32_t bucket, int value)
      : std::runtime_error{"the callback of step '" + step + "' of bucket " +
                           std::to_string(bucket) + " returned " + std::to_string(value)} {}
};

/** The status of the exception that is being handled; its text becomes this thread's last. */
[[nodiscard]] ssugraph_status status_of_exception() noexcept;

/** While one lives, this thread is inside the caller's log sink. */
class inside_log_sink {
 public:
  inside_log_sink() noexcept { inside_ = true; }
  inside_log_sink(const inside_log_sink&) = delete;
  inside_log_sink& operator=(const inside_log_sink&) = delete;
  ~inside_log_sink() { inside_ = false; }

  /** Throws invalid_state: the log's lock is held, so the library cannot be used. */
  static void refuse();
  [[nodiscard]] static bool here() noexcept { return inside_; }

 private:
  static inline thread_local bool inside_ = false;
};

/** Runs a function of the C API and keeps every exception in it. */
template <class Body>
[[nodiscard]] ssugraph_status guarded(Body&& body) noexcept {
  try {
    if (inside_log_sink::here()) inside_log_sink::refuse();
    body();
    return SSUGRAPH_STATUS_SUCCESS;
  } catch (...) {
    return status_of_exception();
  }
}

}  // namespace ssugraph::c_api
