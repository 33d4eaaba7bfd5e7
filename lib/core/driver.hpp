#pragma once

#include "lib/core/cuda_check.hpp"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

namespace ssugraph::detail {

/** `name` of CUDA's driver, as CUDA `version` has it, looked up where it is first needed: the
 *  library links, and loads, without a driver. Throws cuda_error where the driver lacks it. */
template <class Function>
[[nodiscard]] Function driver_function(const char* name, unsigned version = 12000) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check_cuda(cudaGetDriverEntryPointByVersion(name, &function, version, cudaEnableDefault, &found),
             "cudaGetDriverEntryPointByVersion");
  if (found != cudaDriverEntryPointSuccess) check_cuda(cudaErrorCallRequiresNewerDriver, name);
  return reinterpret_cast<Function>(function);
}

/** Throws cuda_error unless `code` is success; the driver's codes are the runtime's. */
inline void check_driver(CUresult code, const char* call) {
  check_cuda(static_cast<cudaError_t>(code), call);
}

}  // namespace ssugraph::detail
