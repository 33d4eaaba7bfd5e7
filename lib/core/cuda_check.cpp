#include "lib/core/cuda_check.hpp"

#include <algorithm>
#include <array>

namespace ssugraph::detail {
namespace {

/** What CUDA says if it has no machine code of a kernel for a GPU, and cannot make it. */
constexpr std::array no_kernel{cudaErrorInvalidDeviceFunction, cudaErrorNoKernelImageForDevice,
                               cudaErrorInvalidKernelImage,    cudaErrorInvalidPtx,
                               cudaErrorUnsupportedPtxVersion, cudaErrorJitCompilerNotFound,
                               cudaErrorJitCompilationDisabled};

/** Of the current device; empty where it does not answer. */
std::string describe_capability() {
  int device = 0;
  int capability = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      get_compute_capability(capability, device) != cudaSuccess) {
    cudaGetLastError();
    return "";
  }
  return ", CUDA device " + std::to_string(device) + " has " + std::to_string(capability / 10) +
         "." + std::to_string(capability % 10);
}

}  // namespace

cudaError_t get_compute_capability(int& capability, int ordinal) noexcept {
  int major = 0;
  int minor = 0;
  cudaError_t answer = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal);
  if (answer == cudaSuccess)
    answer = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal);
  capability = 10 * major + minor;
  return answer;
}

std::string describe_error(cudaError_t code) {
  return std::string{cudaGetErrorName(code)} + ": " + cudaGetErrorString(code);
}

void throw_cuda_error(cudaError_t code, const char* call) {
  cudaGetLastError();  // a sticky code stays, any other must not surface in somebody else's check
  std::string text = describe_error(code);
  if (std::ranges::find(no_kernel, code) != no_kernel.end()) {
    text += " (kernels were built for compute capability " + built_architectures() +
            describe_capability() + "; CMAKE_CUDA_ARCHITECTURES chooses)";
  }
  throw cuda_error{static_cast<int>(code), call, text};
}

}  // namespace ssugraph::detail
