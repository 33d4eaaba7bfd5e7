#pragma once

#include "graphs/core/pipeline_core.hpp"

#include <memory>

namespace ssugraph::detail {

/** `core` as a lane on `stream` runs it: itself, or planned anew where the stream may only use a
 *  part of the device's multiprocessors. Throws invalid_argument (a stream of another device),
 *  unsupported, cuda_error. */
[[nodiscard]] std::shared_ptr<const pipeline_core> planned_for(
    std::shared_ptr<const pipeline_core> core, stream_handle stream);

}  // namespace ssugraph::detail
