#include "lib/core/kernel_launch.hpp"

#include "lib/core/cuda_check.hpp"
#include "lib/core/driver.hpp"

#include <vector>

namespace ssugraph::detail {
namespace {

/** `params` of a node as the driver has them, which alone knows of contexts. */
CUDA_KERNEL_NODE_PARAMS in_part(cudaGraphNode_t node, const cudaKernelNodeParams& params,
                                context_handle part) {
  static const auto get =
      driver_function<PFN_cuGraphKernelNodeGetParams_v12000>("cuGraphKernelNodeGetParams");
  CUDA_KERNEL_NODE_PARAMS there{};
  check_driver(get(node, &there), "cuGraphKernelNodeGetParams");
  there.func = nullptr;  // of one context; the kernel is of any
  there.gridDimX = params.gridDim.x;
  there.gridDimY = params.gridDim.y;
  there.gridDimZ = params.gridDim.z;
  there.blockDimX = params.blockDim.x;
  there.blockDimY = params.blockDim.y;
  there.blockDimZ = params.blockDim.z;
  there.sharedMemBytes = params.sharedMemBytes;
  there.kernelParams = params.kernelParams;
  there.extra = nullptr;
  there.ctx = part;
  return there;
}

cudaKernelNodeParamsV2 as_v2(const cudaKernelNodeParams& params) {
  cudaKernelNodeParamsV2 other{};
  other.func = params.func;
  other.gridDim = params.gridDim;
  other.blockDim = params.blockDim;
  other.sharedMemBytes = params.sharedMemBytes;
  other.kernelParams = params.kernelParams;
  return other;
}

}  // namespace

kernel_launch::pointers kernel_launch::argument_pointers() const noexcept {
  pointers arguments;
  for (std::size_t i = 0; i < argument_count_; ++i)
    arguments[i] = const_cast<std::byte*>(bytes_.data()) + offsets_[i];
  return arguments;
}

void kernel_launch::launch(stream_handle stream) const {
  pointers arguments = argument_pointers();
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid_;
  config.blockDim = block_;
  config.dynamicSmemBytes = shared_bytes_;
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = programmatic_ ? 1 : 0;
  check_cuda(cudaLaunchKernelExC(&config, function_, arguments.data()), "cudaLaunchKernelExC");
}

cudaKernelNodeParams kernel_launch::node_params(pointers& arguments) const noexcept {
  cudaKernelNodeParams params{};
  params.func = const_cast<void*>(function_);
  params.gridDim = grid_;
  params.blockDim = block_;
  params.sharedMemBytes = shared_bytes_;
  params.kernelParams = arguments.data();
  return params;
}

cudaGraphNode_t kernel_launch::add_to(cudaGraph_t graph,
                                      std::span<const cudaGraphNode_t> predecessors,
                                      context_handle part) const {
  pointers arguments = argument_pointers();
  const cudaKernelNodeParams kernel = node_params(arguments);
  cudaGraphNodeParams params{};
  params.type = cudaGraphNodeTypeKernel;
  params.kernel = as_v2(kernel);
  cudaGraphEdgeData edge{};
  if (programmatic_) {
    edge.type = cudaGraphDependencyTypeProgrammatic;
    edge.from_port = cudaGraphKernelNodePortProgrammatic;
  }
  const std::vector<cudaGraphEdgeData> edges(predecessors.size(), edge);
  cudaGraphNode_t node = nullptr;
  check_cuda(cudaGraphAddNode(&node, graph, predecessors.data(), edges.data(), predecessors.size(),
                              &params),
             "cudaGraphAddNode");
  if (part != nullptr) update(node, part);
  return node;
}

void kernel_launch::update(cudaGraphExec_t exec, cudaGraphNode_t node, context_handle part) const {
  pointers arguments = argument_pointers();
  const cudaKernelNodeParams params = node_params(arguments);
  if (part != nullptr) return update_in_part(exec, node, params, part);
  check_cuda(cudaGraphExecKernelNodeSetParams(exec, node, &params),
             "cudaGraphExecKernelNodeSetParams");
}

void kernel_launch::update(cudaGraphNode_t node, context_handle part) const {
  pointers arguments = argument_pointers();
  const cudaKernelNodeParams params = node_params(arguments);
  if (part == nullptr) {
    check_cuda(cudaGraphKernelNodeSetParams(node, &params), "cudaGraphKernelNodeSetParams");
    return;
  }
  static const auto set =
      driver_function<PFN_cuGraphKernelNodeSetParams_v12000>("cuGraphKernelNodeSetParams");
  const CUDA_KERNEL_NODE_PARAMS there = in_part(node, params, part);
  check_driver(set(node, &there), "cuGraphKernelNodeSetParams");
}

void update_in_part(cudaGraphExec_t exec, cudaGraphNode_t node, const cudaKernelNodeParams& params,
                    context_handle part) {
  static const auto set =
      driver_function<PFN_cuGraphExecKernelNodeSetParams_v12000>("cuGraphExecKernelNodeSetParams");
  const CUDA_KERNEL_NODE_PARAMS there = in_part(node, params, part);
  check_driver(set(exec, node, &there), "cuGraphExecKernelNodeSetParams");
}

bool load_kernel(const void* function) {
  cudaFuncAttributes attributes{};
  check_cuda(cudaFuncGetAttributes(&attributes, function), "cudaFuncGetAttributes");
  return attributes.ptxVersion >= 90;
}

}  // namespace ssugraph::detail
