#pragma once

#include "graphs/layout/lane_layout.hpp"
#include "graphs/record/capture.hpp"
#include "graphs/record/launch_path.hpp"

#include <ssugraph/binding.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** A lane's steps on their way into a capture of the caller's. Allocates no device memory. The
 *  lane's device is current in every call. */
class caller_capture {
 public:
  explicit caller_capture(const pipeline_core& core) : core_{core} {}

  /** Starts anew: the prologue of a bucket. Throws invalid_argument, invalid_state, cuda_error. */
  void record_prologue(const lane_layout& layout, std::size_t bucket_index,
                       const std::int32_t* live, cudaStream_t stream) {
    static_cast<void>(begin(layout, bucket_index, live, stream));
  }
  /** `bindings` are of this step's rows. Throws invalid_argument, invalid_state, cuda_error, and
   *  what a callable throws. */
  void record_step(const lane_layout& layout, std::size_t step, std::span<const binding> bindings,
                   cudaStream_t stream);
  /** Both, with all steps in order and `bindings` of any of them. Throws as they do. */
  void record(const lane_layout& layout, std::size_t bucket_index, const std::int32_t* live,
              std::span<const binding> bindings, cudaStream_t stream);
  /** Forgets the prologue: it is of a layout that is no more. */
  void forget() noexcept { path_.reset(); }

 private:
  /** Records the prologue; behind it is the path of this capture. */
  launch_path& begin(const lane_layout& layout, std::size_t bucket_index, const std::int32_t* live,
                     cudaStream_t stream);
  /** Records a step where the capture of `stream` stands, which is `here`. Null: its rows are the
   *  lane's. */
  void record_on(launch_path& path, const checked_pointer& rows, const lane_layout& layout,
                 std::size_t step, cudaStream_t stream, capture_state here);
  /** Adds a step, under the same checks as in the lane's own graphs. */
  [[nodiscard]] recorded_step add_to(launch_path& path, const lane_layout& layout, std::size_t step,
                                     const checked_pointer& rows) const;
  [[nodiscard]] std::int32_t bucket() const { return core_.buckets.buckets()[bucket_index_]; }

  const pipeline_core& core_;
  std::optional<launch_path> path_;  ///< since the prologue
  std::size_t bucket_index_ = 0;
  std::vector<bool> recorded_;
};

}  // namespace ssugraph::detail
