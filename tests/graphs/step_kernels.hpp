#pragma once

#include <ssugraph/stream.hpp>

#include <cstddef>

/** Kernels of a user's, for custom steps. */
namespace ssugraph::test {

/** How a kernel takes part in programmatic dependent launch. */
struct overlap {
  bool launched_early = false;  ///< may start under the kernel in front, and waits for it
  bool triggers = false;        ///< lets the next one start before it does its work
};

/** One kernel that does nothing for `microseconds`, then copies `bytes` (a multiple of 4). Throws
 *  std::runtime_error. */
void enqueue_slow_copy(void* to, const void* from, std::size_t bytes, int microseconds, overlap how,
                       stream_handle stream);

/** Sets the bit of every multiprocessor that one of many blocks runs on, in 8 words at `bitmap`.
 *  Throws std::runtime_error. */
void enqueue_mark_multiprocessors(void* bitmap, stream_handle stream);

/** Lets what is captured on `stream` next start as soon as the kernel that was captured last
 *  triggers. Throws std::runtime_error. */
void overlap_next(stream_handle stream);

/** Whether the current device can overlap kernels so. */
[[nodiscard]] bool can_overlap();

}  // namespace ssugraph::test
