#pragma once

#include "graphs/pipeline_core.hpp"

#include <vector>

namespace ssugraph::detail {

/** Throws invalid_argument, with step and tensor, unless each tensor of `arguments`, a step each,
 *  lies in one live allocation on the pipeline's device. Throws cuda_error. */
void check_allocations(const pipeline_core& core, const std::vector<ssu_args>& arguments);

}  // namespace ssugraph::detail
