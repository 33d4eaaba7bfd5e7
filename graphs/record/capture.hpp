#pragma once

#include "lib/core/cuda_handle.hpp"

#include <ssugraph/detail/callers_runtime.hpp>
#include <ssugraph/device.hpp>

#include <cuda_runtime_api.h>

#include <exception>
#include <functional>
#include <span>
#include <vector>

/** Thread-local stream capture into a graph of ours, for what we cannot add as nodes ourselves. */
namespace ssugraph::detail {

/** Where the capture of a stream stands. But for `status`, only set while that is active. */
struct capture_state {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long id = 0;  ///< of the capture
  cudaGraph_t graph = nullptr;
  std::vector<cudaGraphNode_t> frontier;  ///< what the next node of the stream would wait for
  bool waits_in_full = true;              ///< it would wait for the end of each of them
};

/** Throws cuda_error. */
[[nodiscard]] capture_state state_of(cudaStream_t stream);

/**
 * A capture that something invalidated: a forbidden call of the callable's own, or another thread
 * that synchronised the device. The driver destroyed the graph with it. May go well another time.
 */
struct spoiled_capture {
  std::exception_ptr cause;  ///< what the callable threw at that, else a cuda_error
};

/** How often a spoiled capture of one step is tried again. */
inline constexpr int max_capture_retries = 3;

/** Where a scope in which callables or users' backends ran is left by an exception, and their CUDA
 *  runtime had no last error before, it has none again. */
class kept_last_error {
 public:
  explicit kept_last_error(const callers_last_error& last_error)
      : last_error_{last_error},
        was_none_{last_error.peek != nullptr && last_error.get != nullptr &&
                  last_error.peek() == cudaSuccess} {}
  kept_last_error(const kept_last_error&) = delete;
  kept_last_error& operator=(const kept_last_error&) = delete;
  ~kept_last_error() {
    if (was_none_ && std::uncaught_exceptions() > exceptions_) last_error_.get();
  }

 private:
  callers_last_error last_error_;
  bool was_none_;
  int exceptions_ = std::uncaught_exceptions();
};

/** A callable that ended the capture of the stream that it was given. */
struct ended_capture {};

/** What a capture added to a graph. */
struct captured_nodes {
  std::vector<cudaGraphNode_t> nodes;
  std::vector<cudaGraphNode_t> frontier;  ///< what the next node of the stream would wait for
};

/**
 * Adds to `graph`, behind `predecessors`, what `enqueue` puts on `stream`. Throws what `enqueue`
 * throws, cuda_error, spoiled_capture and ended_capture. The stream is then usable; `graph` is
 * empty where the driver or the callable may have destroyed it.
 */
[[nodiscard]] captured_nodes capture_into(cuda_graph& graph,
                                          std::span<const cudaGraphNode_t> predecessors,
                                          cudaStream_t stream,
                                          const std::function<void(cudaStream_t)>& enqueue);

/** The nodes of a graph. */
[[nodiscard]] std::vector<cudaGraphNode_t> nodes_of(cudaGraph_t graph);

/** Where the memory at `address` is, which may be of an allocation that `graph` makes as it runs:
 *  before that, CUDA need not know of it. Throws cuda_error. */
[[nodiscard]] device memory_of(cudaGraph_t graph, const void* address);

/** Those that are not among `before`. */
[[nodiscard]] std::vector<cudaGraphNode_t> nodes_since(std::vector<cudaGraphNode_t> before,
                                                       cudaGraph_t graph);

/** What a capture that was invalidated ends with. */
[[nodiscard]] cuda_error invalidated_capture();

}  // namespace ssugraph::detail
