#pragma once

#include <ssugraph/ssu.hpp>
#include <ssugraph/stream.hpp>

#include <exception>
#include <optional>

struct CUctx_st;

/**
 * Which context calls are made in. The runtime's own way, cudaSetDevice, would create a context
 * wherever it restores a device: so contexts are pushed and popped.
 */
namespace ssugraph::detail {

using context_handle = CUctx_st*;

/** The device's own context, created if nobody has used it. Throws cuda_error. */
[[nodiscard]] context_handle primary_context(int ordinal);

/**
 * What work of `stream` runs in: the primary context of `home`, or that of a part of its
 * multiprocessors (a green context). A default stream is of the current context if that is on
 * `home`, else of the primary one. Throws invalid_argument for a stream of another device,
 * cuda_error.
 */
[[nodiscard]] context_handle context_of(stream_handle stream, device home);

/** That work in `context` may use. Throws cuda_error. */
[[nodiscard]] int multiprocessors(context_handle context);

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
