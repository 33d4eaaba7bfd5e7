#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <span>
#include <vector>

namespace ssugraph::detail {

/**
 * Adds to `graph`, behind `predecessors`, what `enqueue` puts on `stream`, by thread-local capture
 * of that stream. Returns the nodes that what follows must wait for. Throws what `enqueue` throws,
 * and cuda_error; the stream is then usable, and the graph is not.
 */
[[nodiscard]] std::vector<cudaGraphNode_t> capture_into(
    cudaGraph_t graph, std::span<const cudaGraphNode_t> predecessors, cudaStream_t stream,
    const std::function<void(cudaStream_t)>& enqueue);

}  // namespace ssugraph::detail
