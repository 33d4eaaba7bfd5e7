#pragma once

#include "graphs/layout/lane_layout.hpp"
#include "graphs/record/capture.hpp"
#include "graphs/record/step_chain.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ssugraph::detail {

/** A lane's steps on their way into a capture of the caller's. Allocates no device memory. The
 *  lane's device is current in every call. */
class caller_capture {
 public:
  explicit caller_capture(const pipeline_core& core) : core_{core} {}

  /** Starts anew: the prologue of a bucket. Throws invalid_argument, invalid_state, cuda_error. */
  void record_prologue(const lane_layout& layout, std::size_t bucket_index,
                       const std::int32_t* live, cudaStream_t stream);
  /** Throws invalid_argument, invalid_state, cuda_error, and what a callable throws. */
  void record_step(const lane_layout& layout, std::size_t step, cudaStream_t stream);
  /** Forgets the prologue: it is of a layout that is no more. */
  void forget() noexcept { id_.reset(); }

 private:
  /** What stands directly in front of the next launch. */
  [[nodiscard]] launch_front front_at(const capture_state& here) const;
  /** Enqueues one launch of step `index` where the capture stands, checked as in a graph of the
   *  lane's. */
  void enqueue(const step_launch& step, std::size_t index, cudaStream_t stream);

  const pipeline_core& core_;
  std::optional<unsigned long long> id_;  ///< of the capture
  std::size_t bucket_index_ = 0;
  std::vector<bool> recorded_;
  /** The launch recorded last, if a library kernel may overlap it, and where it left the stream. */
  launch_front front_;
  std::vector<cudaGraphNode_t> frontier_;
};

}  // namespace ssugraph::detail
