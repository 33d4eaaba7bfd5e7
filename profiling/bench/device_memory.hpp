#pragma once

#include "lib/core/cuda_handle.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace bench {

using device_memory = std::unique_ptr<void, ssugraph::detail::cuda_destroy<cudaFree>>;

/** Throws cuda_error. */
[[nodiscard]] inline device_memory allocate(std::size_t bytes) {
  void* memory = nullptr;
  ssugraph::detail::check_cuda(cudaMalloc(&memory, bytes), "cudaMalloc");
  return device_memory{memory};
}

/** A copy of `values`, there when this returns. Throws cuda_error. */
template <class T>
[[nodiscard]] device_memory upload(const std::vector<T>& values) {
  const std::size_t bytes = values.size() * sizeof(T);
  device_memory memory = allocate(bytes);
  ssugraph::detail::check_cuda(
      cudaMemcpy(memory.get(), values.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  return memory;
}

}  // namespace bench
