#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/layout/lane_layout.hpp"
#include "graphs/record/bucket_graph.hpp"
#include "lib/core/cuda_handle.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace ssugraph::detail {

/** Records the graphs of a pipeline on a stream of its own for captures. */
class graph_recorder {
 public:
  /** For graphs that run on `place`. Throws invalid_argument and cuda_error. */
  graph_recorder(const pipeline_core& core, const stream_place& place);

  /**
   * The graph of a bucket on the tensors and the memory of `layout`; `prologue` is its first node.
   * A step whose capture is spoiled is tried three times more. Throws cuda_error with step and
   * bucket, invalid_argument for what a graph cannot keep, invalid_state for a callable that ended
   * the capture, and what a callable throws.
   */
  [[nodiscard]] bucket_graph record(const lane_layout& layout, std::size_t bucket_index,
                                    const prologue_params& prologue);

  /** Calls the custom steps that ask for it once, in the largest bucket, without a capture. The
   *  padded copies say that nothing is live. Throws as `record`. */
  void warm_up(const lane_layout& layout);

  /** Recordings repeated so far. */
  [[nodiscard]] std::uint64_t retries() const noexcept { return retries_; }
  /** What kernel nodes run in; see kernel_launch. */
  [[nodiscard]] context_handle part() const noexcept { return part_; }
  /** The stream that captures and warm-ups run on. */
  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_.get(); }

 private:
  class attempt;

  const pipeline_core& core_;
  context_handle part_;
  cuda_stream stream_;
  std::uint64_t retries_ = 0;
};

}  // namespace ssugraph::detail
