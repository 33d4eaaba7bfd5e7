#pragma once

#include <ssugraph/ssu.hpp>

#include <string>

namespace ssugraph::detail {

/** Where the memory behind an address lives; a foreign address counts as the host's. */
[[nodiscard]] device device_of(const void* address);

/** For messages: `host memory`, `memory of CUDA device 1`. */
[[nodiscard]] std::string describe_memory(device where);

/** True if `stream` is being captured. Throws cuda_error. Host builds: false. */
[[nodiscard]] bool is_capturing(stream_handle stream);

}  // namespace ssugraph::detail
