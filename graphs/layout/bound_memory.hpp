#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/layout/bindings.hpp"

namespace ssugraph::detail {

/** Throws invalid_argument, with step and tensor, unless each tensor of `steps` lies in one live
 *  allocation on the pipeline's device, or in reserved addresses with memory wherever it has an
 *  element. Throws cuda_error. */
void check_allocations(const pipeline_core& core, const bound_steps& steps);

}  // namespace ssugraph::detail
