#pragma once

#include "graphs/layout/lane_memory.hpp"
#include "graphs/plan/scratch_layout.hpp"
#include "lib/step/planned_step.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** Scratch tensors laid out as those of a step, for as many sequences as fit. */
class scratch_tensors {
 public:
  /** In at most `fraction` of the free memory of the current device, the step's; allocated and
   *  filled in the order of `stream`. Throws cuda_error. */
  scratch_tensors(const step_traits& traits, double fraction, cudaStream_t stream);
  scratch_tensors(const scratch_tensors&) = delete;
  scratch_tensors& operator=(const scratch_tensors&) = delete;
  /** Waits for the stream. */
  ~scratch_tensors();

  [[nodiscard]] bool fits(std::int64_t sequences) const noexcept {
    return sequences <= most_sequences_;
  }
  /** Launches that have slots of their own, before one takes those of the first again. */
  [[nodiscard]] std::int64_t positions_of(std::int64_t sequences) const noexcept {
    return layout_.rotation().positions_of(sequences);
  }
  /** Rows that so many sequences have. */
  [[nodiscard]] std::int64_t rows_of(std::int64_t sequences) const {
    return layout_.rows_of(sequences);
  }
  /** Shares these out among the first `sequences`. Waits for the stream. Throws cuda_error. */
  void share_rows(std::int64_t sequences);
  /** Plans what the first `sequences` do with their rings, if there are any. Waits for the stream.
   *  Throws cuda_error. */
  void spread_rings(std::int64_t sequences);
  /** The tensors of launch `launch` of those in a row. */
  [[nodiscard]] bound_tensors of_launch(std::int64_t launch, std::int64_t sequences) const {
    return layout_.of_launch(tensors_, launch, sequences);
  }
  /** The memory of the largest of them. */
  [[nodiscard]] std::span<std::byte> largest() const;

 private:
  [[nodiscard]] std::vector<std::int64_t> slots_of(std::int64_t sequences) const;
  [[nodiscard]] std::vector<std::int64_t> integers_of(operand_role role) const;
  void fill();

  const step_traits& traits_;
  cudaStream_t stream_;
  scratch_layout layout_;
  std::int64_t most_sequences_;
  std::unique_ptr<stream_ordered_memory> memory_;
  bound_tensors tensors_;
};

}  // namespace ssugraph::detail
