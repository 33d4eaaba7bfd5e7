#pragma once

#include <cuda_device_runtime_api.h>

/**
 * The order of launches under programmatic dependent launch: nothing is written before the wait;
 * what is read before it, no launch writes that may still run; every warp waits before it ends. The
 * launch behind may start (a *trigger*) at once where it knows of all launches that may still run,
 * else behind the wait. Kernels that are never launched so wait, too: a caller may make the edge in
 * front of them programmatic in a graph of his own (ssugraph/dispatch.hpp).
 */
namespace ssugraph::detail {

__device__ inline void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

__device__ inline void trigger_successor() {
#if __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

__device__ inline void wait_and_trigger() {
  wait_for_predecessor();
  trigger_successor();
}

}  // namespace ssugraph::detail
