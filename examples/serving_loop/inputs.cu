#include "cuda_machine.hpp"

#include <ssugraph/error.hpp>

#include <cuda_runtime_api.h>

namespace serving_loop {
namespace {

/** A block makes one row of one layer: grid (rows, layers). */
__global__ void make_inputs_kernel(input_job job) {
  for (std::int32_t element = threadIdx.x; element < job.width(); element += blockDim.x) {
    make_input(job, blockIdx.y, blockIdx.x, element);
  }
}

}  // namespace

void enqueue_inputs(const input_job& job, ssugraph::stream_handle stream) {
  constexpr unsigned threads = 256;
  const dim3 grid{static_cast<unsigned>(job.rows()), static_cast<unsigned>(job.layers)};
  make_inputs_kernel<<<grid, threads, 0, stream>>>(job);
  const cudaError_t code = cudaGetLastError();
  if (code != cudaSuccess) {
    throw ssugraph::cuda_error{code, "make_inputs_kernel", cudaGetErrorString(code)};
  }
}

}  // namespace serving_loop
