#pragma once

#include <cuda_runtime_api.h>

#include <span>
#include <string>

namespace ssugraph::detail {

/** Why a graph cannot keep one of `nodes`, those of child graphs included; empty if it can: they
 * own memory, or copy from or to memory of the host that is not pinned. Throws cuda_error. */
[[nodiscard]] std::string why_not_replayable(std::span<const cudaGraphNode_t> nodes);

}  // namespace ssugraph::detail
