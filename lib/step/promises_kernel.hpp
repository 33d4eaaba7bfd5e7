#pragma once

#include "lib/core/cuda_check.hpp"
#include "lib/core/kernel_launch.hpp"
#include "lib/step/promises.hpp"

#include <cuda_runtime_api.h>

namespace ssugraph::detail {

/** Loads the promises' kernel without running it. Throws cuda_error. */
void load_promises();

/** The promises as a launch, behind what writes the tensors and the live batch. */
[[nodiscard]] kernel_launch lower_promises(const promise_params& params);

/** Enqueues the same of one call of `sequences` sequences, reported to `broken`. Throws cuda_error.
 */
void enqueue_promises(const promised& of, std::int64_t sequences, broken_promise* broken,
                      cudaStream_t stream);

/** A word of host memory that a kernel writes and the host reads without waiting for it. */
class mapped_report {
 public:
  /** Throws cuda_error. */
  mapped_report() {
    void* memory = nullptr;
    check_cuda(cudaHostAlloc(&memory, sizeof(broken_promise), cudaHostAllocMapped),
               "cudaHostAlloc of a report");
    word_ = static_cast<broken_promise*>(memory);
    *word_ = none_broken;
  }
  mapped_report(const mapped_report&) = delete;
  mapped_report& operator=(const mapped_report&) = delete;
  ~mapped_report() {
    if (word_ != nullptr && cudaFreeHost(word_) != cudaSuccess) cudaGetLastError();
  }

  /** The same address on the device: CUDA's address space is one. */
  [[nodiscard]] broken_promise* word() const noexcept { return word_; }
  void leak() noexcept { word_ = nullptr; }

 private:
  broken_promise* word_ = nullptr;
};

}  // namespace ssugraph::detail
