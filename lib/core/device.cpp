#include "lib/core/device.hpp"

#include <ssugraph/stream.hpp>

#if SSUGRAPH_CUDA
#include "lib/core/cuda_handle.hpp"
#endif

namespace ssugraph {

#if SSUGRAPH_CUDA

bool has_cuda_device() noexcept {
  static const bool found = [] {
    int count = 0;
    if (cudaGetDeviceCount(&count) == cudaSuccess) return count > 0;
    cudaGetLastError();
    return false;
  }();
  return found;
}

namespace detail {

device device_of(const void* address) {
  if (!has_cuda_device()) return device::host();
  cudaPointerAttributes attributes{};
  check_cuda(cudaPointerGetAttributes(&attributes, address), "cudaPointerGetAttributes");
  const bool on_device =
      attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
  return on_device ? device{attributes.device} : device::host();
}

int compute_capability(device where) {
  if (where.is_host()) return 0;
  int major = 0;
  int minor = 0;
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, where.ordinal),
             "cudaDeviceGetAttribute");
  check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, where.ordinal),
             "cudaDeviceGetAttribute");
  return 10 * major + minor;
}

bool is_capturing(stream_handle stream, device where) {
  if (where.is_host()) return false;
  const device_guard guard{where.ordinal};
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
  return status != cudaStreamCaptureStatusNone;
}

}  // namespace detail

#else

bool has_cuda_device() noexcept {
  return false;
}

namespace detail {

device device_of(const void*) {
  return device::host();
}

int compute_capability(device) {
  return 0;
}

bool is_capturing(stream_handle, device) {
  return false;
}

}  // namespace detail

#endif

std::string detail::describe_memory(device where) {
  if (where.is_host()) return "host memory";
  return "memory of CUDA device " + std::to_string(where.ordinal);
}

}  // namespace ssugraph
