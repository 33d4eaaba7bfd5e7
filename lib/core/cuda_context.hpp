#pragma once

#include "lib/core/cuda_handle.hpp"
#include "lib/core/stream_place.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/stream.hpp>

#include <exception>
#include <optional>

/**
 * Which context calls are made in. The runtime's own way, cudaSetDevice, would create a context
 * wherever it restores a device: so contexts are pushed and popped.
 */
namespace ssugraph::detail {

/** The device's own context, created if nobody has used it. Throws cuda_error. */
[[nodiscard]] context_handle primary_context(int ordinal);

/** Where work of `stream` runs. A default stream is of the current context if that is on `home`,
 *  else of the primary one. Leaves a capture of `stream` as it is. Throws invalid_argument for a
 *  stream of another device, cuda_error, and invalid_state if CUDA is inherited. */
[[nodiscard]] stream_place place_of(stream_handle stream, device home);

/** That work there may use. Throws cuda_error. */
[[nodiscard]] int multiprocessors(const stream_place& place);

/** A non-blocking stream there. `place.context` is current. Throws cuda_error. */
[[nodiscard]] cuda_stream make_stream(const stream_place& place);

/** Makes a context current for a scope. */
class context_guard {
 public:
  /** Throws cuda_error, and invalid_state if CUDA is inherited. */
  explicit context_guard(context_handle context);
  context_guard(const context_guard&) = delete;
  context_guard& operator=(const context_guard&) = delete;
  ~context_guard();

 private:
  bool pushed_ = false;
};

/** Makes a device current for a scope, by its primary context unless one of its is current. */
class device_guard {
 public:
  /** Throws as context_guard. */
  explicit device_guard(int ordinal);

 private:
  std::optional<context_guard> context_;
};

/** Enters a scope from a destructor; not where CUDA is no more, or the parent's. */
template <class Guard, class Where>
void try_enter(std::optional<Guard>& scope, Where where) noexcept {
  try {
    scope.emplace(where);
  } catch (const std::exception&) {
    scope.reset();
  }
}

}  // namespace ssugraph::detail
