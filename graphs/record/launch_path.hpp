#pragma once

#include "graphs/record/capture.hpp"
#include "graphs/record/lowering.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/stream_place.hpp"

#include <cuda_runtime_api.h>

#include <utility>
#include <vector>

namespace ssugraph::detail {

/** A step as a graph has it: one node a launch, unless a launch had to be captured. */
struct recorded_step {
  std::vector<step_launch> launches;
  std::vector<cudaGraphNode_t> nodes;

  /** Whether it is library kernels alone. */
  [[nodiscard]] bool is_ours() const;
};

/**
 * How far a recording is, as one value: the graph, the frontier, which is what the next launch
 * waits for, and what may still run and write there, by which that launch is lowered.
 *
 * The graph is one of our own, where library kernels become nodes and all else is captured, or that
 * of a caller's capture, where everything is enqueued on the captured stream. Each `add` throws
 * cuda_error, what callables and users' backends throw, ended_capture and, in a graph of our own,
 * spoiled_capture. That graph may be lost then, and the path with it; a caller's capture goes on
 * unless it ended or was invalidated.
 */
class launch_path {
 public:
  /** Begins a graph. Its kernels run in `part` (see kernel_launch), `stream` is for captures, and
   *  launches are `programmatic` where they can be. Throws cuda_error. */
  launch_path(cudaStream_t stream, context_handle part, bool programmatic);

  /** Goes on in the caller's capture of `stream`, which stands `here`. */
  launch_path(cudaStream_t stream, capture_state here, bool programmatic);

  /** Whether that is the caller's capture that the path is in. */
  [[nodiscard]] bool is_in(const capture_state& here) const noexcept { return here_.id == here.id; }

  /** Goes on where `stream` of the same capture stands. If that is not where the path left off,
   *  nothing is known of what may still run. */
  void go_on(cudaStream_t stream, capture_state here);

  /** Adds a kernel that is not programmatic, and waited for in full. */
  cudaGraphNode_t add(const kernel_launch& kernel);

  /** Adds a step of the library's. `next`: as in lower. */
  recorded_step add(const planned_pointer& planned, const bound_tensors& tensors,
                    const planned_step* next);

  /** Adds a custom step, which is waited for in full. */
  recorded_step add(const custom_launch& step);

  /** Lets the kernel behind `step`, the last one added, with these nodes, overlap it as far as its
   *  options and its nodes allow. Throws cuda_error. */
  void overlap(const custom_step& step, const std::vector<cudaGraphNode_t>& nodes);

  [[nodiscard]] cudaGraph_t graph() const noexcept { return here_.graph; }
  /** Ends a path in a graph of our own. */
  [[nodiscard]] cuda_graph take_graph() && noexcept { return std::move(owned_); }

 private:
  [[nodiscard]] recorded_step add_all(std::vector<step_launch> launches);
  /** What was added. */
  [[nodiscard]] std::vector<cudaGraphNode_t> add_one(const step_launch& step);
  [[nodiscard]] std::vector<cudaGraphNode_t> enqueue_one(const step_launch& step);
  void wait_in_full();

  bool is_callers_;   ///< the graph is that of a caller's capture
  cuda_graph owned_;  ///< else it is this
  cudaStream_t stream_;
  context_handle part_ = nullptr;
  bool programmatic_;
  capture_state here_;  ///< the graph and the frontier
  launch_front front_;
};

}  // namespace ssugraph::detail
