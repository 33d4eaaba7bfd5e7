#pragma once

#include "graphs/layout/prologue.hpp"
#include "lib/core/kernel_launch.hpp"

namespace ssugraph::detail {

/** Loads the prologue's kernel without running it. Throws cuda_error. */
void load_prologue();

/** The prologue as a launch; the kernel's one argument is `params`. */
[[nodiscard]] kernel_launch lower_prologue(const prologue_params& params);

/** Gives the prologue `node` of `exec`, added with that `part`, these parameters for launches to
 *  come. Throws cuda_error. */
void update_prologue(cudaGraphExec_t exec, cudaGraphNode_t node, const prologue_params& params,
                     context_handle part);

}  // namespace ssugraph::detail
