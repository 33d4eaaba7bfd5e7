#include "lib/core/device.hpp"
#include "tests/graphs/step_kernels.hpp"

#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>

namespace ssugraph::test {
namespace {

__device__ std::uint64_t nanoseconds() {
  std::uint64_t now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  return now;
}

__global__ void slow_copy(std::uint32_t* to, const std::uint32_t* from, std::size_t words,
                          std::uint64_t pause, overlap how) {
#if __CUDA_ARCH__ >= 900
  if (how.launched_early) cudaGridDependencySynchronize();
  if (how.triggers) cudaTriggerProgrammaticLaunchCompletion();
#endif
  const std::uint64_t begin = nanoseconds();
  while (nanoseconds() - begin < pause) {
  }
  for (std::size_t i = threadIdx.x; i < words; i += blockDim.x)
    to[i] = from[i];
}

__global__ void mark_multiprocessors(std::uint32_t* bitmap) {
  constexpr std::uint64_t pause = 20000;  // so that all of them get blocks
  std::uint32_t mine;
  asm volatile("mov.u32 %0, %smid;" : "=r"(mine));
  atomicOr(bitmap + mine / 32, 1u << (mine % 32));
  const std::uint64_t begin = nanoseconds();
  while (nanoseconds() - begin < pause) {
  }
}

void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error{cudaGetErrorString(error)};
}

}  // namespace

void enqueue_slow_copy(void* to, const void* from, std::size_t bytes, int microseconds, overlap how,
                       stream_handle stream) {
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3{1};
  config.blockDim = dim3{256};
  config.stream = stream;
  config.attrs = &early;
  config.numAttrs = how.launched_early ? 1 : 0;
  check(cudaLaunchKernelEx(&config, slow_copy, static_cast<std::uint32_t*>(to),
                           static_cast<const std::uint32_t*>(from), bytes / sizeof(std::uint32_t),
                           std::uint64_t{1000} * static_cast<std::uint64_t>(microseconds), how));
}

void enqueue_mark_multiprocessors(void* bitmap, stream_handle stream) {
  constexpr unsigned blocks = 1024;
  mark_multiprocessors<<<blocks, 128, 0, stream>>>(static_cast<std::uint32_t*>(bitmap));
  check(cudaGetLastError());
}

void overlap_next(stream_handle stream) {
  cudaStreamCaptureStatus status{};
  const cudaGraphNode_t* last = nullptr;
  const cudaGraphEdgeData* waits = nullptr;
  std::size_t count = 0;
  check(cudaStreamGetCaptureInfo(stream, &status, nullptr, nullptr, &last, &waits, &count));
  if (status != cudaStreamCaptureStatusActive || count != 1)
    throw std::runtime_error{"not behind one kernel of a capture"};
  cudaGraphNode_t kernel = *last;
  cudaGraphEdgeData edge{};
  edge.type = cudaGraphDependencyTypeProgrammatic;
  edge.from_port = cudaGraphKernelNodePortProgrammatic;
  check(cudaStreamUpdateCaptureDependencies(stream, &kernel, &edge, 1,
                                            cudaStreamSetCaptureDependencies));
}

bool can_overlap() {
  int ordinal = 0;
  check(cudaGetDevice(&ordinal));
  return detail::compute_capability(device{ordinal}) >= 90;
}

}  // namespace ssugraph::test
