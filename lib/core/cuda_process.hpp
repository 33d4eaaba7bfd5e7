#pragma once

#include <cuda_runtime_api.h>

#include <atomic>

/**
 * CUDA and the process: who began to use it. It cannot be carried over a fork: what a parent had in
 * use, its children can neither use nor begin anew.
 */
namespace ssugraph::detail {

/** What CUDA says when it is first asked for its devices, which begins its use; success: there are
 *  some. Not to be asked where CUDA is inherited. */
[[nodiscard]] cudaError_t begin_cuda() noexcept;

/** Whether anybody in this process uses CUDA. To ask does not begin it, so that a process which
 *  has all in host memory may fork others that use CUDA. */
[[nodiscard]] bool cuda_is_in_use() noexcept;

namespace cuda_process {
inline constinit std::atomic<bool> inherited = false;
[[noreturn]] void refuse_inherited();
}  // namespace cuda_process

/** Whether CUDA was used by the parent of this process, before the fork. Destructors leave alone
 *  then what is the parent's. */
[[nodiscard]] inline bool cuda_is_inherited() noexcept {
  return cuda_process::inherited.load(std::memory_order_relaxed);
}

/** Throws invalid_state if CUDA is inherited: stands in front of every call of CUDA's that objects
 *  from before a fork could make. */
inline void check_cuda_is_ours() {
  if (cuda_is_inherited()) cuda_process::refuse_inherited();
}

/** The same if `address` is of memory that the parent had and this process has not. */
void check_not_of_parent(const void* address);

}  // namespace ssugraph::detail
