#include "cuda_machine.hpp"

#include <ssugraph/error.hpp>

#include <cuda_runtime_api.h>

namespace serving_loop {
namespace {

/** A thread makes one element. Grid: rows, layers, pieces of a row. */
__global__ void make_inputs_kernel(input_job job) {
  const auto element = static_cast<std::int32_t>(blockIdx.z * blockDim.x + threadIdx.x);
  if (element < job.width()) make_input(job, blockIdx.y, blockIdx.x, element);
}

}  // namespace

void enqueue_inputs(const input_job& job, ssugraph::stream_handle stream) {
  constexpr unsigned threads = 256;
  const dim3 grid{static_cast<unsigned>(job.rows()), static_cast<unsigned>(job.layers),
                  (static_cast<unsigned>(job.width()) + threads - 1) / threads};
  make_inputs_kernel<<<grid, threads, 0, stream>>>(job);
  const cudaError_t code = cudaGetLastError();
  if (code != cudaSuccess) {
    throw ssugraph::cuda_error{code, "make_inputs_kernel", cudaGetErrorString(code)};
  }
}

}  // namespace serving_loop
