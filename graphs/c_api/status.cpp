#include "graphs/c_api/status.hpp"

#include <ssugraph/error.hpp>

#include <exception>
#include <new>
#include <stdexcept>

namespace ssugraph::c_api {
namespace {

/** Whether this thread's text has ended. It has no destructor, so it can be read until the last:
 *  destructors of static objects run later on the main thread, and they may call and fail. */
thread_local bool gone = false;

/** The text of a thread's last failure; a fixed one where there is no memory for its own. */
struct last_failure {
  std::string text;
  const char* shown = "";

  ~last_failure() { gone = true; }

  void set(const char* words) noexcept {
    try {
      text = words;
      shown = text.c_str();
    } catch (...) {
      shown = "out of memory, for the text of an error, too";
    }
  }
};

last_failure& last() noexcept {
  static thread_local last_failure instance;
  return instance;
}

/** cudaErrorMemoryAllocation, which a host build knows, too. */
constexpr int cuda_out_of_memory = 2;

ssugraph_status remember(ssugraph_status status, const char* text) noexcept {
  if (!gone) last().set(text);
  return status;
}

}  // namespace

ssugraph_status status_of_exception() noexcept {
  try {
    throw;
  } catch (const invalid_argument& error) {
    return remember(SSUGRAPH_STATUS_INVALID_ARGUMENT, error.what());
  } catch (const unsupported& error) {
    return remember(SSUGRAPH_STATUS_UNSUPPORTED, error.what());
  } catch (const invalid_state& error) {
    return remember(SSUGRAPH_STATUS_INVALID_STATE, error.what());
  } catch (const cuda_error& error) {
    return remember(error.code() == cuda_out_of_memory ? SSUGRAPH_STATUS_OUT_OF_MEMORY
                                                       : SSUGRAPH_STATUS_CUDA_ERROR,
                    error.what());
  } catch (const callback_failed& error) {
    return remember(SSUGRAPH_STATUS_CALLBACK_FAILED, error.what());
  } catch (const std::bad_alloc&) {
    return remember(SSUGRAPH_STATUS_OUT_OF_MEMORY, "the host's memory is used up");
  } catch (const std::length_error& error) {  // more than a container can ever hold
    return remember(SSUGRAPH_STATUS_OUT_OF_MEMORY, error.what());
  } catch (const std::exception& error) {
    return remember(SSUGRAPH_STATUS_INTERNAL, error.what());
  } catch (...) {
    return remember(SSUGRAPH_STATUS_INTERNAL, "an exception of no known type");
  }
}

}  // namespace ssugraph::c_api

const char* ssugraph_last_error() {
  using namespace ssugraph::c_api;
  return gone ? "" : last().shown;
}

const char* ssugraph_status_string(int32_t status) {
  switch (status) {
    case SSUGRAPH_STATUS_SUCCESS:
      return "success";
    case SSUGRAPH_STATUS_INVALID_ARGUMENT:
      return "invalid argument";
    case SSUGRAPH_STATUS_UNSUPPORTED:
      return "unsupported";
    case SSUGRAPH_STATUS_INVALID_STATE:
      return "invalid state";
    case SSUGRAPH_STATUS_CUDA_ERROR:
      return "CUDA error";
    case SSUGRAPH_STATUS_OUT_OF_MEMORY:
      return "out of memory";
    case SSUGRAPH_STATUS_CALLBACK_FAILED:
      return "callback failed";
    case SSUGRAPH_STATUS_INTERNAL:
      return "internal error";
    default:
      return "unknown status";
  }
}
