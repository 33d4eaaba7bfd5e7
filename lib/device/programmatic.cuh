#pragma once

#include <cuda_device_runtime_api.h>

/**
 * The order of launches under programmatic dependent launch: nothing is written before the wait;
 * what is read before it, no launch writes that may still run; every warp waits before it ends. The
 * launch behind may start (a *trigger*) at once where it knows of all launches that may still run,
 * else behind the wait.
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
