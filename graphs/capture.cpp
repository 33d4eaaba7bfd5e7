#include "graphs/capture.hpp"

#include "lib/core/cuda_check.hpp"

namespace ssugraph::detail {
namespace {

/** A capture that ends with its scope, whatever became of it. */
class capture {
 public:
  capture(cudaGraph_t graph, std::span<const cudaGraphNode_t> predecessors, cudaStream_t stream)
      : stream_{stream} {
    check_cuda(cudaStreamBeginCaptureToGraph(stream, graph, predecessors.data(), nullptr,
                                             predecessors.size(), cudaStreamCaptureModeThreadLocal),
               "cudaStreamBeginCaptureToGraph");
  }
  capture(const capture&) = delete;
  capture& operator=(const capture&) = delete;
  ~capture() {
    cudaGraph_t unused = nullptr;
    if (!ended_ && cudaStreamEndCapture(stream_, &unused) != cudaSuccess) cudaGetLastError();
  }

  /** What the next node of the stream would wait for. */
  [[nodiscard]] std::vector<cudaGraphNode_t> frontier() const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    const cudaGraphNode_t* nodes = nullptr;
    std::size_t count = 0;
    check_cuda(
        cudaStreamGetCaptureInfo(stream_, &status, nullptr, nullptr, &nodes, nullptr, &count),
        "cudaStreamGetCaptureInfo");
    return {nodes, nodes + count};
  }

  void end() {
    ended_ = true;
    cudaGraph_t captured = nullptr;
    check_cuda(cudaStreamEndCapture(stream_, &captured), "cudaStreamEndCapture");
  }

 private:
  cudaStream_t stream_;
  bool ended_ = false;
};

}  // namespace

std::vector<cudaGraphNode_t> capture_into(cudaGraph_t graph,
                                          std::span<const cudaGraphNode_t> predecessors,
                                          cudaStream_t stream,
                                          const std::function<void(cudaStream_t)>& enqueue) {
  capture window{graph, predecessors, stream};
  enqueue(stream);
  std::vector<cudaGraphNode_t> frontier = window.frontier();
  window.end();
  return frontier;
}

}  // namespace ssugraph::detail
