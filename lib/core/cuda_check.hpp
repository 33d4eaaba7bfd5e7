#pragma once

#include <ssugraph/error.hpp>

#include <cuda_runtime_api.h>

#include <string>

namespace ssugraph::detail {

/** Throws cuda_error unless `code` is success. `call` names the call and what it was for; a
 * literal, since a replay that succeeds must not build a string. */
inline void check_cuda(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // a sticky code stays, any other must not surface in somebody else's check
  throw cuda_error{static_cast<int>(code), call,
                   std::string{cudaGetErrorName(code)} + ": " + cudaGetErrorString(code)};
}

}  // namespace ssugraph::detail
