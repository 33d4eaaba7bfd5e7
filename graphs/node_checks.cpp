#include "graphs/node_checks.hpp"

#include "graphs/capture.hpp"
#include "lib/core/cuda_check.hpp"

namespace ssugraph::detail {
namespace {

bool is_pageable(const void* address) {
  if (address == nullptr) return false;
  cudaPointerAttributes attributes{};
  check_cuda(cudaPointerGetAttributes(&attributes, address), "cudaPointerGetAttributes");
  return attributes.type == cudaMemoryTypeUnregistered;
}

std::string objection_to(cudaGraphNode_t node) {
  cudaGraphNodeType type{};
  check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  switch (type) {
    case cudaGraphNodeTypeMemAlloc:
    case cudaGraphNodeTypeMemFree:
      return "an allocation of memory in stream order";
    case cudaGraphNodeTypeMemcpy: {
      cudaMemcpy3DParms copy{};
      check_cuda(cudaGraphMemcpyNodeGetParams(node, &copy), "cudaGraphMemcpyNodeGetParams");
      const bool pageable = is_pageable(copy.srcPtr.ptr) || is_pageable(copy.dstPtr.ptr);
      return pageable ? "a copy from or to pageable memory" : "";
    }
    case cudaGraphNodeTypeGraph: {
      cudaGraph_t child = nullptr;
      check_cuda(cudaGraphChildGraphNodeGetGraph(node, &child), "cudaGraphChildGraphNodeGetGraph");
      return why_not_replayable(nodes_of(child));
    }
    default:
      return "";
  }
}

}  // namespace

std::string why_not_replayable(std::span<const cudaGraphNode_t> nodes) {
  for (const cudaGraphNode_t node : nodes) {
    if (std::string reason = objection_to(node); !reason.empty()) return reason;
  }
  return "";
}

}  // namespace ssugraph::detail
