#pragma once

#include "lib/core/cuda_check.hpp"
#include "lib/core/cuda_process.hpp"

#include <cuda_runtime_api.h>

#include <memory>

namespace ssugraph::detail {

/** Destroys a CUDA handle, unless it is that of this process's parent; an error there has nobody to
 *  go to. */
template <auto Destroy>
struct cuda_destroy {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    if (!cuda_is_inherited() && Destroy(handle) != cudaSuccess) cudaGetLastError();
  }
};

using cuda_stream = std::unique_ptr<CUstream_st, cuda_destroy<cudaStreamDestroy>>;
using cuda_event = std::unique_ptr<CUevent_st, cuda_destroy<cudaEventDestroy>>;
using cuda_graph = std::unique_ptr<CUgraph_st, cuda_destroy<cudaGraphDestroy>>;
using cuda_graph_exec = std::unique_ptr<CUgraphExec_st, cuda_destroy<cudaGraphExecDestroy>>;

[[nodiscard]] inline cuda_stream make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
  return cuda_stream{stream};
}

[[nodiscard]] inline cuda_event make_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  return cuda_event{event};
}

/** An event that records when it was reached. */
[[nodiscard]] inline cuda_event make_timing_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreate(&event), "cudaEventCreate");
  return cuda_event{event};
}

[[nodiscard]] inline cuda_graph make_graph() {
  cudaGraph_t graph = nullptr;
  check_cuda(cudaGraphCreate(&graph, 0), "cudaGraphCreate");
  return cuda_graph{graph};
}

[[nodiscard]] inline cuda_graph_exec instantiate(cudaGraph_t graph) {
  cudaGraphExec_t exec = nullptr;
  check_cuda(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate");
  return cuda_graph_exec{exec};
}

/**
 * For a scope, how the calling thread gets along with captures that are going on. Relaxed, it may
 * make calls that they would forbid and be invalidated by, such as freeing what they know nothing
 * of; thread-local, only its own captures forbid any. A context is current.
 */
class capture_mode {
 public:
  explicit capture_mode(cudaStreamCaptureMode mode) noexcept : mode_{mode} { exchange(); }
  capture_mode(const capture_mode&) = delete;
  capture_mode& operator=(const capture_mode&) = delete;
  ~capture_mode() { exchange(); }

 private:
  void exchange() noexcept {
    if (cuda_is_inherited()) return;
    if (cudaThreadExchangeStreamCaptureMode(&mode_) != cudaSuccess) cudaGetLastError();
  }

  cudaStreamCaptureMode mode_;
};

/** The mode of all that is no replay: nothing of the library's spoils a capture that is not its
 *  own. */
class relaxed_capture : public capture_mode {
 public:
  relaxed_capture() noexcept : capture_mode{cudaStreamCaptureModeRelaxed} {}
};

}  // namespace ssugraph::detail
