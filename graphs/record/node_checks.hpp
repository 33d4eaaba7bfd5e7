#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>
#include <string>

/** What a step that is captured may not do, named by step and bucket. */
namespace ssugraph::detail {

/** A step in a bucket, for messages. */
[[nodiscard]] std::string place_of(const std::string& step, std::int32_t bucket);

/**
 * Throws invalid_argument if `nodes`, all that the step at `place` added, are none, or if a graph
 * cannot keep one of them or of their child graphs: they own memory, or copy from or to memory of
 * the host that is not pinned. CUDA does not tell what the bodies of conditional nodes hold. Throws
 * cuda_error.
 */
void check_replayable(std::span<const cudaGraphNode_t> nodes, const std::string& place);

/** invalid_state: the step at `place` ended the capture. */
[[noreturn]] void throw_ended_capture(const std::string& place);

}  // namespace ssugraph::detail
