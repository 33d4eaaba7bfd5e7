#pragma once

#include <ssugraph/ssugraph.h>

#include <cstdint>
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

/** Runs a function of the C API and keeps every exception in it. */
template <class Body>
[[nodiscard]] ssugraph_status guarded(Body&& body) noexcept {
  try {
    body();
    return SSUGRAPH_STATUS_SUCCESS;
  } catch (...) {
    return status_of_exception();
  }
}

}  // namespace ssugraph::c_api
