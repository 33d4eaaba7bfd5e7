#pragma once

#include "graphs/pipeline_core.hpp"
#include "lib/core/kernel_launch.hpp"

#include <cuda_runtime_api.h>

#include <span>
#include <variant>
#include <vector>

/** SSU steps behind one another on one stream: lowered, then launched or added to a graph. */
namespace ssugraph::detail {

/** What a backend that is no kernel_backend enqueues for a step. */
struct foreign_launch {
  backend_pointer backend;
  ssu_plan plan;
  ssu_args args;  ///< with rand_seed bound, if it rounds

  /** Throws what the backend throws. */
  void launch(stream_handle stream) const { backend->enqueue(plan, args, 0, stream); }
};

/** One step on its arguments, as a value. */
using step_launch = std::variant<kernel_launch, foreign_launch>;

struct chain_link {
  const step_plan* planned;
  ssu_args args;
};

/**
 * Lowers steps that run one after another. Between neighbouring library kernels of which the later
 * `overlaps`, the launch is programmatic (`programmatic` false: nowhere); the first waits in full.
 */
[[nodiscard]] std::vector<step_launch> lower_chain(std::span<const chain_link> links,
                                                   bool programmatic);

/** Enqueues one step. Throws cuda_error. */
void launch(const step_launch& step, stream_handle stream);

/**
 * Adds one step to `graph` behind `frontier` and makes `frontier` what comes behind it must wait
 * for: a library kernel as a node, anything else by capture of `capture_stream`. Throws cuda_error.
 */
void add_to(cudaGraph_t graph, std::vector<cudaGraphNode_t>& frontier, const step_launch& step,
            cudaStream_t capture_stream);

}  // namespace ssugraph::detail
