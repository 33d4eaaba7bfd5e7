#include "lib/device/programmatic.cuh"
#include "lib/step/promises_kernel.hpp"

#include <cub/block/block_reduce.cuh>
#include <cuda/functional>

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 1024;

/** By one block, so that its least finding is written once: the host may clear the report
 *  meanwhile, which no atomic of the device's would respect. */
__device__ void verify(const promised* entries, std::int32_t count, std::int64_t rows,
                       std::int64_t live, broken_promise* broken) {
  using block_reduce = cub::BlockReduce<broken_promise, block_threads>;
  __shared__ block_reduce::TempStorage storage;
  const worker me{static_cast<std::int32_t>(threadIdx.x), block_threads};
  const broken_promise mine = first_broken(entries, count, rows, live, me);
  const broken_promise first = block_reduce{storage}.Reduce(mine, cuda::minimum<>{});
  if (threadIdx.x == 0) report_first(broken, first);
}

__global__ void __launch_bounds__(block_threads)
    promises_kernel(const __grid_constant__ promise_params p) {
  wait_for_predecessor();
  verify(p.entries, p.entry_count, p.rows, *p.sequences, p.broken);
}

__global__ void __launch_bounds__(block_threads)
    call_promises_kernel(const __grid_constant__ promised of, std::int64_t sequences,
                         broken_promise* broken) {
  wait_for_predecessor();
  verify(&of, 1, of.rule.rows, sequences, broken);
}

const void* const kernel = reinterpret_cast<const void*>(&promises_kernel);

}  // namespace

void load_promises() {
  load_kernel(kernel);
}

kernel_launch lower_promises(const promise_params& params) {
  return {kernel, dim3{1}, dim3{block_threads}, params};
}

void enqueue_promises(const promised& of, std::int64_t sequences, broken_promise* broken,
                      cudaStream_t stream) {
  kernel_launch{reinterpret_cast<const void*>(&call_promises_kernel),
                dim3{1},
                dim3{block_threads},
                of,
                sequences,
                broken}
      .launch(stream);
}

}  // namespace ssugraph::detail
