#include "lib/core/cuda_check.hpp"
#include "lib/core/kernel_launch.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/step/plan_rings.hpp"

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 128;

/** A thread a sequence. */
template <class Planning>
__global__ void __launch_bounds__(block_threads)
    planning_kernel(const __grid_constant__ Planning p) {
  wait_for_predecessor();
  const std::int64_t i = blockIdx.x * std::int64_t{block_threads} + threadIdx.x;
  if (i < p.count) write_plan_row(p, i);
}

template <class Planning>
void launch(const Planning& planning, stream_handle stream) {
  const auto blocks = static_cast<unsigned>((planning.count + block_threads - 1) / block_threads);
  kernel_launch{reinterpret_cast<const void*>(&planning_kernel<Planning>), dim3{blocks},
                dim3{block_threads}, planning}
      .launch(stream);
}

}  // namespace

void launch_planning(const cursor_planning& planning, stream_handle stream) {
  launch(planning, stream);
}

void launch_planning(const tracker_planning& planning, stream_handle stream) {
  launch(planning, stream);
}

}  // namespace ssugraph::detail
