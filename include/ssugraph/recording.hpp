#pragma once

/** @file
 *  How the lanes of a pipeline record their graphs. */

#include <ssugraph/export.hpp>

#include <cstddef>
#include <optional>

namespace ssugraph {

/** How lanes record their graphs. */
struct recording_options {
  /** Record a bucket when it is first used, not when the lane is made. That replay allocates and
   *  waits for internal streams; `lane_stats::lazy_builds` counts it. */
  bool lazy = false;
  /** Capture custom steps on a blocking stream, so that what they put on the legacy default stream
   *  by mistake is an error. Other threads must then leave that stream alone during a build. Not on
   *  a part of the multiprocessors, whose streams do not block: make_lane throws invalid_argument.
   */
  bool strict_capture = false;
  /** Graphs that a lane may have; 0: any number. */
  std::size_t max_graphs = 0;
  /** Device memory that a lane may take, counted as by pipeline::lane_bytes, but for the graphs
   * that it has and by the nodes that were recorded; 0: any. */
  std::size_t max_bytes = 0;
  /**
   * Verify what callers promise of index and count tensors: one kernel more a replay, and in what
   * is recorded elsewhere. The first sequence that breaks a promise is an invalid_argument
   * ("layer3.state_batch_indices[17]") of the next replay, run_eager, record_prologue or
   * random_state that comes after it ran; that call does nothing else. Tensors must also lie in
   * live allocations when they are bound; in reserved addresses, memory must be mapped wherever
   * they have an element, which asks the driver once a mapping. The lane's end then waits for its
   * stream. Unset: what the library was built with (CMake option SSUGRAPH_CHECKED, off by default).
   */
  std::optional<bool> checked = {};

  bool operator==(const recording_options&) const = default;
};

}  // namespace ssugraph
