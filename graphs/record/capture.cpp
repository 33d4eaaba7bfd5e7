#include "graphs/record/capture.hpp"

#include "lib/core/cuda_check.hpp"
#include "lib/core/device.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace ssugraph::detail {
namespace {

/** What `call` throws; null: nothing. */
template <class Call>
std::exception_ptr thrown_by(Call call) {
  try {
    call();
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

/** Ends the capture of `stream`. Unless it went well the graph is the driver's no more. */
cudaError_t end(cudaStream_t stream, cuda_graph& graph) {
  cudaGraph_t captured = nullptr;
  const cudaError_t error = cudaStreamEndCapture(stream, &captured);
  if (error != cudaSuccess) static_cast<void>(graph.release());
  cudaGetLastError();
  return error;
}

}  // namespace

capture_state state_of(cudaStream_t stream) {
  capture_state state;
  const cudaGraphNode_t* nodes = nullptr;
  // Without a place for them, edges that do not wait in full are an error.
  const cudaGraphEdgeData* edges = nullptr;
  std::size_t count = 0;
  check_cuda(cudaStreamGetCaptureInfo(stream, &state.status, &state.id, &state.graph, &nodes,
                                      &edges, &count),
             "cudaStreamGetCaptureInfo");
  if (state.status != cudaStreamCaptureStatusActive) return state;
  state.frontier.assign(nodes, nodes + count);
  state.waits_in_full =
      edges == nullptr || std::all_of(edges, edges + count, [](const cudaGraphEdgeData& edge) {
        return edge.type == cudaGraphDependencyTypeDefault;
      });
  return state;
}

std::vector<cudaGraphNode_t> nodes_of(cudaGraph_t graph) {
  std::size_t count = 0;
  check_cuda(cudaGraphGetNodes(graph, nullptr, &count), "cudaGraphGetNodes");
  std::vector<cudaGraphNode_t> nodes(count);
  check_cuda(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
  return nodes;
}

device memory_of(cudaGraph_t graph, const void* address) {
  const device known = device_of(address);
  if (!known.is_host()) return known;
  for (cudaGraphNode_t node : nodes_of(graph)) {
    cudaGraphNodeType type{};
    check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
    if (type != cudaGraphNodeTypeMemAlloc) continue;
    cudaMemAllocNodeParams made{};
    check_cuda(cudaGraphMemAllocNodeGetParams(node, &made), "cudaGraphMemAllocNodeGetParams");
    const auto offset =
        reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(made.dptr);
    if (offset < made.bytesize) return device{made.poolProps.location.id};
  }
  return known;
}

std::vector<cudaGraphNode_t> nodes_since(std::vector<cudaGraphNode_t> before, cudaGraph_t graph) {
  std::vector<cudaGraphNode_t> nodes = nodes_of(graph);
  std::ranges::sort(before);
  std::erase_if(nodes,
                [&](cudaGraphNode_t node) { return std::ranges::binary_search(before, node); });
  return nodes;
}

cuda_error invalidated_capture() {
  return {cudaErrorStreamCaptureInvalidated, "stream capture",
          cudaGetErrorString(cudaErrorStreamCaptureInvalidated)};
}

captured_nodes capture_into(cuda_graph& graph, std::span<const cudaGraphNode_t> predecessors,
                            cudaStream_t stream, const std::function<void(cudaStream_t)>& enqueue) {
  std::vector<cudaGraphNode_t> before = nodes_of(graph.get());
  check_cuda(cudaStreamBeginCaptureToGraph(stream, graph.get(), predecessors.data(), nullptr,
                                           predecessors.size(), cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCaptureToGraph");
  const std::exception_ptr thrown = thrown_by([&] {
    // What the callable may not do here must spoil this capture, whatever mode the thread is in.
    const capture_mode local{cudaStreamCaptureModeThreadLocal};
    enqueue(stream);
  });
  capture_state state;
  const std::exception_ptr unread = thrown_by([&] { state = state_of(stream); });
  if (!unread && state.status == cudaStreamCaptureStatusNone) {
    static_cast<void>(graph.release());
    throw ended_capture{};
  }
  const cudaError_t ended = end(stream, graph);
  if (state.status == cudaStreamCaptureStatusInvalidated ||
      ended == cudaErrorStreamCaptureInvalidated) {
    throw spoiled_capture{thrown ? thrown : std::make_exception_ptr(invalidated_capture())};
  }
  for (const std::exception_ptr& error : {thrown, unread}) {
    if (error) std::rethrow_exception(error);
  }
  check_cuda(ended, "cudaStreamEndCapture");
  return {nodes_since(std::move(before), graph.get()), std::move(state.frontier)};
}

}  // namespace ssugraph::detail
