#include "graphs/record/promises_kernel.hpp"

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 1024;

/** One block, so that its least finding is written once: the host may clear the report meanwhile,
 *  which no atomic of the device's would respect. */
__global__ void __launch_bounds__(block_threads)
    promises_kernel(const __grid_constant__ promise_params p) {
  __shared__ broken_promise first;
  const bool leads = threadIdx.x == 0;
  if (leads) first = none_broken;
  __syncthreads();
  const broken_promise mine =
      first_broken(p, {static_cast<std::int32_t>(threadIdx.x), block_threads});
  if (mine != none_broken)
    atomicMin(reinterpret_cast<unsigned long long*>(&first), static_cast<unsigned long long>(mine));
  __syncthreads();
  if (leads) report_first(p, first);
}

const void* const kernel = reinterpret_cast<const void*>(&promises_kernel);

}  // namespace

void load_promises() {
  load_kernel(kernel);
}

kernel_launch lower_promises(const promise_params& params) {
  return {kernel, dim3{1}, dim3{block_threads}, params};
}

}  // namespace ssugraph::detail
