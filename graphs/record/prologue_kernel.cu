#include "graphs/record/prologue_kernel.hpp"
#include "lib/core/cuda_check.hpp"
#include "lib/device/programmatic.cuh"

#include <algorithm>

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 256;

/** A block a copy, then one a cursor; the first one draws the seeds, too. It never triggers: its
 *  successor waits. */
__global__ void __launch_bounds__(block_threads)
    prologue_kernel(const __grid_constant__ prologue_params p) {
  wait_for_predecessor();
  const worker me{static_cast<std::int32_t>(threadIdx.x), block_threads};
  const auto block = static_cast<std::int32_t>(blockIdx.x);
  if (block < p.job_count) {
    write_copy(p, p.jobs[block], me);
  } else if (block < p.job_count + p.ring_count) {
    write_plan(p, p.rings[block - p.job_count], me);
  }
  if (blockIdx.x != 0) return;
  draw_seeds(p, me);
  __syncthreads();
  if (threadIdx.x == 0) advance(p);
}

const void* const kernel = reinterpret_cast<const void*>(&prologue_kernel);

dim3 grid_of(const prologue_params& params) {
  return dim3{static_cast<unsigned>(std::max(params.job_count + params.ring_count, 1))};
}

}  // namespace

void load_prologue() {
  load_kernel(kernel);
}

kernel_launch lower_prologue(const prologue_params& params) {
  return {kernel, grid_of(params), dim3{block_threads}, params};
}

void update_prologue(cudaGraphExec_t exec, cudaGraphNode_t node, const prologue_params& params,
                     context_handle part) {
  prologue_params argument = params;
  void* arguments[] = {&argument};
  cudaKernelNodeParams node_params{};
  node_params.func = const_cast<void*>(kernel);
  node_params.gridDim = grid_of(params);
  node_params.blockDim = dim3{block_threads};
  node_params.kernelParams = arguments;
  if (part != nullptr) return update_in_part(exec, node, node_params, part);
  check_cuda(cudaGraphExecKernelNodeSetParams(exec, node, &node_params),
             "cudaGraphExecKernelNodeSetParams");
}

}  // namespace ssugraph::detail
