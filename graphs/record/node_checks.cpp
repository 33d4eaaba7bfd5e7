#include "graphs/record/node_checks.hpp"

#include "graphs/record/capture.hpp"
#include "lib/core/cuda_check.hpp"

#include <ssugraph/error.hpp>

namespace ssugraph::detail {
namespace {

std::string objection_to_one_of(std::span<const cudaGraphNode_t> nodes);

bool is_pageable(const void* address) {
  if (address == nullptr) return false;
  cudaPointerAttributes attributes{};
  check_cuda(cudaPointerGetAttributes(&attributes, address), "cudaPointerGetAttributes");
  return attributes.type == cudaMemoryTypeUnregistered;
}

std::string objection_to(cudaGraphNode_t node) {
  cudaGraphNodeType type{};
  check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  if (type == cudaGraphNodeTypeMemAlloc || type == cudaGraphNodeTypeMemFree)
    return "an allocation of memory in stream order";
  if (type == cudaGraphNodeTypeMemcpy) {
    cudaMemcpy3DParms copy{};
    check_cuda(cudaGraphMemcpyNodeGetParams(node, &copy), "cudaGraphMemcpyNodeGetParams");
    const bool pageable = is_pageable(copy.srcPtr.ptr) || is_pageable(copy.dstPtr.ptr);
    return pageable ? "a copy from or to pageable memory" : "";
  }
  if (type == cudaGraphNodeTypeGraph) {
    cudaGraph_t child = nullptr;
    check_cuda(cudaGraphChildGraphNodeGetGraph(node, &child), "cudaGraphChildGraphNodeGetGraph");
    return objection_to_one_of(nodes_of(child));
  }
  return "";
}

std::string objection_to_one_of(std::span<const cudaGraphNode_t> nodes) {
  for (const cudaGraphNode_t node : nodes) {
    if (std::string reason = objection_to(node); !reason.empty()) return reason;
  }
  return "";
}

}  // namespace

std::string place_of(const std::string& step, std::int32_t bucket) {
  return "step '" + step + "' in bucket " + std::to_string(bucket);
}

void check_replayable(std::span<const cudaGraphNode_t> nodes, const std::string& place) {
  const std::string objection = nodes.empty() ? "nothing" : objection_to_one_of(nodes);
  if (!objection.empty()) throw invalid_argument{place, "work that can be replayed", objection};
}

void throw_ended_capture(const std::string& place) {
  throw invalid_state{place, "ended the capture of the stream that it was given",
                      "let the step enqueue only"};
}

}  // namespace ssugraph::detail
