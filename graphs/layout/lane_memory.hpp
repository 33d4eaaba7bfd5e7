#pragma once

#include "graphs/layout/lane_layout.hpp"
#include "lib/core/cuda_check.hpp"
#include "lib/core/cuda_process.hpp"

#include <ssugraph/random.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>

/** The memory of a lane on a device, and what the host writes there. */
namespace ssugraph::detail {

/** Device memory that is freed in the order of its own stream. */
class stream_ordered_memory {
 public:
  /** Throws cuda_error. */
  stream_ordered_memory(std::size_t bytes, cudaStream_t stream) : stream_{stream} {
    void* memory = nullptr;
    check_cuda(cudaMallocAsync(&memory, bytes, stream), "cudaMallocAsync of a lane's memory");
    data_ = static_cast<std::byte*>(memory);
  }
  stream_ordered_memory(const stream_ordered_memory&) = delete;
  stream_ordered_memory& operator=(const stream_ordered_memory&) = delete;
  ~stream_ordered_memory() { free(); }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  void leak() noexcept { data_ = nullptr; }
  void free() noexcept {
    const bool ours = data_ != nullptr && !cuda_is_inherited();
    if (ours && cudaFreeAsync(data_, stream_) != cudaSuccess) cudaGetLastError();
    data_ = nullptr;
  }

 private:
  cudaStream_t stream_;
  std::byte* data_ = nullptr;
};

/** In the order of `stream`, by one copy: all of them are new then, or none is. Throws cuda_error.
 */
void upload_tables(const lane_layout& layout, cudaStream_t stream);

/** In the order of `stream`. Throws cuda_error. */
void write_random_state(const lane_layout& layout, const random_state& state, cudaStream_t stream);

/** Waits for `stream`. Throws cuda_error. */
[[nodiscard]] random_state read_random_state(const lane_layout& layout, cudaStream_t stream);

}  // namespace ssugraph::detail
