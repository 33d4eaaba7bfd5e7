#pragma once

#include "graphs/record/launch_path.hpp"
#include "lib/core/cuda_handle.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

namespace ssugraph::detail {

/** The graph of one bucket: the prologue, in checked mode the promises, then every step. */
struct bucket_graph {
  std::int32_t bucket = 0;
  cuda_graph graph;
  cudaGraphNode_t prologue = nullptr;
  cudaGraphNode_t promises = nullptr;  ///< in checked mode
  std::vector<recorded_step> steps;
};

}  // namespace ssugraph::detail
