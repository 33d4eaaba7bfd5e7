#include "lib/core/device.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/stream.hpp>

#if SSUGRAPH_CUDA
#include "lib/core/cuda_check.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_process.hpp"

#include <cuda_runtime_api.h>
#endif

namespace ssugraph {

#if SSUGRAPH_CUDA

bool has_cuda_device() noexcept {
  return !detail::cuda_is_inherited() && detail::begin_cuda() == cudaSuccess;
}

namespace detail {
namespace {

/** 13000 is `13.0`. */
std::string describe_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

std::string why_no_cuda_device() {
  check_cuda_is_ours();
  const cudaError_t reason = begin_cuda();
  int driver = 0;
  int runtime = 0;
  check_cuda(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check_cuda(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  return "no CUDA device here: " + describe_error(reason) + " (" +
         (driver == 0 ? "no driver" : "driver of CUDA " + describe_version(driver)) +
         ", runtime of CUDA " + describe_version(runtime) + ", kernels for compute capability " +
         built_architectures() + ")";
}

device device_of(const void* address) {
  check_not_of_parent(address);
  if (cuda_is_inherited() || !cuda_is_in_use() || !has_cuda_device()) return device::host();
  cudaPointerAttributes attributes{};
  const cudaError_t answer = cudaPointerGetAttributes(&attributes, address);
  if (answer == cudaErrorCudartUnloading) return device::host();  // the program ends
  check_cuda(answer, "cudaPointerGetAttributes");
  const bool on_device =
      attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
  return on_device ? device{attributes.device} : device::host();
}

int compute_capability(device where) {
  if (where.is_host()) return 0;
  check_cuda_is_ours();
  int capability = 0;
  check_cuda(get_compute_capability(capability, where.ordinal), "cudaDeviceGetAttribute");
  return capability;
}

int multiprocessors(device where) {
  if (where.is_host()) return 0;
  check_cuda_is_ours();
  int count = 0;
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, where.ordinal),
             "cudaDeviceGetAttribute");
  return count;
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

std::string why_no_cuda_device() {
  return "no CUDA device here: this build has no CUDA (cmake -DSSUGRAPH_CUDA=ON)";
}

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

unsupported detail::no_cuda_device(const std::string& who, const std::string& instead) {
  return unsupported{{{who, why_no_cuda_device() + "; " + instead}}};
}

std::string detail::describe_memory(device where) {
  if (where.is_host()) return "host memory";
  return "memory of CUDA device " + std::to_string(where.ordinal);
}

}  // namespace ssugraph
