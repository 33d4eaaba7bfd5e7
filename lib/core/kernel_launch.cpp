#include "lib/core/kernel_launch.hpp"

#include "lib/core/cuda_check.hpp"

namespace ssugraph::detail {

std::vector<void*> kernel_launch::argument_pointers() const {
  std::vector<void*> pointers;
  pointers.reserve(offsets_.size());
  for (const std::size_t offset : offsets_) {
    pointers.push_back(const_cast<std::byte*>(bytes_.data()) + offset);
  }
  return pointers;
}

void kernel_launch::launch(stream_handle stream) const {
  std::vector<void*> pointers = argument_pointers();
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
  check_cuda(cudaLaunchKernelExC(&config, function_, pointers.data()), "cudaLaunchKernelExC");
}

cudaGraphNodeParams kernel_launch::node_params(std::vector<void*>& pointers) const {
  cudaGraphNodeParams params{};
  params.type = cudaGraphNodeTypeKernel;
  params.kernel.func = const_cast<void*>(function_);
  params.kernel.gridDim = grid_;
  params.kernel.blockDim = block_;
  params.kernel.sharedMemBytes = shared_bytes_;
  params.kernel.kernelParams = pointers.data();
  return params;
}

cudaGraphNode_t kernel_launch::add_to(cudaGraph_t graph,
                                      std::span<const cudaGraphNode_t> predecessors) const {
  std::vector<void*> pointers = argument_pointers();
  cudaGraphNodeParams params = node_params(pointers);
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
  return node;
}

void kernel_launch::update(cudaGraphExec_t exec, cudaGraphNode_t node) const {
  std::vector<void*> pointers = argument_pointers();
  cudaGraphNodeParams params = node_params(pointers);
  check_cuda(cudaGraphExecNodeSetParams(exec, node, &params), "cudaGraphExecNodeSetParams");
}

void kernel_launch::update(cudaGraphNode_t node) const {
  std::vector<void*> pointers = argument_pointers();
  cudaGraphNodeParams params = node_params(pointers);
  check_cuda(cudaGraphNodeSetParams(node, &params), "cudaGraphNodeSetParams");
}

bool load_kernel(const void* function) {
  cudaFuncAttributes attributes{};
  check_cuda(cudaFuncGetAttributes(&attributes, function), "cudaFuncGetAttributes");
  return attributes.ptxVersion >= 90;
}

}  // namespace ssugraph::detail
