#include "lib/core/device.hpp"

#include <ssugraph/stream.hpp>

#if SSUGRAPH_CUDA
#include "lib/core/cuda_check.hpp"
#include "lib/core/cuda_context.hpp"

#include <cuda_runtime_api.h>
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

namespace {

int attribute(cudaDeviceAttr which, device where) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, which, where.ordinal), "cudaDeviceGetAttribute");
  return value;
}

}  // namespace

int compute_capability(device where) {
  if (where.is_host()) return 0;
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor, where) +
         attribute(cudaDevAttrComputeCapabilityMinor, where);
}

int multiprocessors(device where) {
  return where.is_host() ? 0 : attribute(cudaDevAttrMultiProcessorCount, where);
}

bool is_capturing(stream_handle stream, device where) {
  if (where.is_host()) return false;
  const device_guard guard{where.ordinal};
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const cudaError_t asked = cudaStreamIsCapturing(stream, &status);
  if (asked == cudaErrorStreamCaptureImplicit) {
    cudaGetLastError();
    return true;
  }
  check_cuda(asked, "cudaStreamIsCapturing");
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

int multiprocessors(device) {
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
