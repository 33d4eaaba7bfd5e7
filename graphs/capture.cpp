#include "graphs/capture.hpp"

#include "lib/core/cuda_check.hpp"

#include <algorithm>

namespace ssugraph::detail {
namespace {

struct capture_state {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  std::vector<cudaGraphNode_t> frontier;
};

capture_state state_of(cudaStream_t stream) {
  capture_state state;
  const cudaGraphNode_t* nodes = nullptr;
  std::size_t count = 0;
  check_cuda(
      cudaStreamGetCaptureInfo(stream, &state.status, nullptr, nullptr, &nodes, nullptr, &count),
      "cudaStreamGetCaptureInfo");
  if (state.status == cudaStreamCaptureStatusActive) state.frontier.assign(nodes, nodes + count);
  return state;
}

/** Ends the capture of `stream`. Unless it went well the graph is the driver's no more. */
cudaError_t end(cudaStream_t stream, cuda_graph& graph) {
  cudaGraph_t captured = nullptr;
  const cudaError_t error = cudaStreamEndCapture(stream, &captured);
  if (error != cudaSuccess) static_cast<void>(graph.release());
  cudaGetLastError();
  return error;
}

std::exception_ptr invalidated() {
  return std::make_exception_ptr(cuda_error{cudaErrorStreamCaptureInvalidated, "stream capture",
                                            cudaGetErrorString(cudaErrorStreamCaptureInvalidated)});
}

}  // namespace

std::vector<cudaGraphNode_t> nodes_of(cudaGraph_t graph) {
  std::size_t count = 0;
  check_cuda(cudaGraphGetNodes(graph, nullptr, &count), "cudaGraphGetNodes");
  std::vector<cudaGraphNode_t> nodes(count);
  check_cuda(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
  return nodes;
}

captured_nodes capture_into(cuda_graph& graph, std::span<const cudaGraphNode_t> predecessors,
                            cudaStream_t stream, const std::function<void(cudaStream_t)>& enqueue) {
  std::vector<cudaGraphNode_t> before = nodes_of(graph.get());
  check_cuda(cudaStreamBeginCaptureToGraph(stream, graph.get(), predecessors.data(), nullptr,
                                           predecessors.size(), cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCaptureToGraph");
  std::exception_ptr thrown;
  try {
    enqueue(stream);
  } catch (...) {
    thrown = std::current_exception();
  }
  capture_state state = state_of(stream);
  if (state.status == cudaStreamCaptureStatusNone) {
    static_cast<void>(graph.release());
    throw ended_capture{};
  }
  const cudaError_t ended = end(stream, graph);
  if (state.status == cudaStreamCaptureStatusInvalidated ||
      ended == cudaErrorStreamCaptureInvalidated) {
    throw spoiled_capture{thrown ? thrown : invalidated()};
  }
  if (thrown) std::rethrow_exception(thrown);
  check_cuda(ended, "cudaStreamEndCapture");

  captured_nodes captured{nodes_of(graph.get()), std::move(state.frontier)};
  std::ranges::sort(before);
  std::erase_if(captured.nodes,
                [&](cudaGraphNode_t node) { return std::ranges::binary_search(before, node); });
  return captured;
}

}  // namespace ssugraph::detail
