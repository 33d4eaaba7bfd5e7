#pragma once

#include "lib/core/cuda_check.hpp"

#include <cuda_runtime_api.h>

#include <memory>

namespace ssugraph::detail {

/** Destroys a CUDA handle; an error there has nobody to go to. */
template <auto Destroy>
struct cuda_destroy {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    if (Destroy(handle) != cudaSuccess) cudaGetLastError();
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
 * For a scope, lets the calling thread make calls that a capture going on would forbid and be
 * invalidated by, such as freeing what the capture knows nothing of.
 */
class relaxed_capture {
 public:
  relaxed_capture() noexcept { exchange(); }
  relaxed_capture(const relaxed_capture&) = delete;
  relaxed_capture& operator=(const relaxed_capture&) = delete;
  ~relaxed_capture() { exchange(); }

 private:
  void exchange() noexcept {
    if (cudaThreadExchangeStreamCaptureMode(&mode_) != cudaSuccess) cudaGetLastError();
  }

  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

/** Makes a device current for a scope. */
class device_guard {
 public:
  explicit device_guard(int ordinal) {
    check_cuda(cudaGetDevice(&previous_), "cudaGetDevice");
    if (previous_ != ordinal) check_cuda(cudaSetDevice(ordinal), "cudaSetDevice");
    changed_ = previous_ != ordinal;
  }
  device_guard(const device_guard&) = delete;
  device_guard& operator=(const device_guard&) = delete;
  ~device_guard() {
    if (changed_) cudaSetDevice(previous_);
  }

 private:
  int previous_ = 0;
  bool changed_ = false;
};

}  // namespace ssugraph::detail
