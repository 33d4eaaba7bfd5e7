#pragma once

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/stream.hpp>

#include <string>

namespace ssugraph::detail {

/** Why `has_cuda_device` is false: CUDA's own words, the versions, and for what this was built.
 *  Throws invalid_state in a process forked from one that used CUDA. */
[[nodiscard]] std::string why_no_cuda_device();

/** The error of `who`, which needs a CUDA device, and what to ask for instead. Throws as the reason
 *  does. */
[[nodiscard]] unsupported no_cuda_device(const std::string& who, const std::string& instead);

/**
 * Where the memory behind an address lives; a foreign address counts as the host's. Does not begin
 * the use of CUDA: where nobody has, all is the host's. Throws cuda_error, and invalid_state for
 * what a parent had before the fork.
 */
[[nodiscard]] device device_of(const void* address);

/** For messages: `host memory`, `memory of CUDA device 1`. */
[[nodiscard]] std::string describe_memory(device where);

/** Compute capability, major times ten plus minor; 0 for the host. Throws cuda_error. */
[[nodiscard]] int compute_capability(device where);
[[nodiscard]] inline bool is_blackwell(device where) {
  return compute_capability(where) >= 100;
}

/** Of a whole device; 0 for the host. Throws cuda_error. */
[[nodiscard]] int multiprocessors(device where);

/** True if `stream` is being captured, or is the legacy stream while a capture forbids its use;
 *  `where` says whose it is if it is a default stream. Throws cuda_error. On the host: false. */
[[nodiscard]] bool is_capturing(stream_handle stream, device where);

}  // namespace ssugraph::detail
