#include "lib/device/programmatic.cuh"
#include "lib/step/promises_kernel.hpp"

#include <cub/block/block_reduce.cuh>
#include <cuda/functional>

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 1024;

/** One block, so that its least finding is written once: the host may clear the report meanwhile,
 *  which no atomic of the device's would respect. */
__global__ void __launch_bounds__(block_threads)
    promises_kernel(const __grid_constant__ promise_params p) {
  using block_reduce = cub::BlockReduce<broken_promise, block_threads>;
  __shared__ block_reduce::TempStorage storage;
  wait_for_predecessor();
  const broken_promise mine =
      first_broken(p, {static_cast<std::int32_t>(threadIdx.x), block_threads});
  const broken_promise first = block_reduce{storage}.Reduce(mine, cuda::minimum<>{});
  if (threadIdx.x == 0) report_first(p, first);
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
