#pragma once

#include "graphs/plan/slot_rotation.hpp"
#include "lib/step/planned_step.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace ssugraph::detail {

/**
 * Where scratch tensors lie that are strided as those of a step. Each launch of a measurement takes
 * slots and rows of its own, so that the state comes from memory and not from the L2 cache;
 * launches overlap as they would in a pipeline.
 */
class scratch_layout {
 public:
  /** `cache_bytes`: of the L2 cache. */
  scratch_layout(const step_traits& traits, std::int64_t cache_bytes);

  [[nodiscard]] const slot_rotation& rotation() const noexcept { return rotation_; }

  /** Rows that so many sequences have. */
  [[nodiscard]] std::int64_t rows_of(std::int64_t sequences) const;

  /** Halves the sequences that the step is bound for until they fit `budget`; 0: none does. */
  [[nodiscard]] std::int64_t most_sequences_in(std::size_t budget) const;
  [[nodiscard]] std::size_t bytes_for(std::int64_t sequences) const;
  /** The tensors at `base`, and the bytes that they take. */
  [[nodiscard]] std::pair<bound_tensors, std::size_t> placed(std::int64_t sequences,
                                                             std::byte* base) const;

  /** What launch `launch` of those in a row takes of placed `tensors`. */
  [[nodiscard]] bound_tensors of_launch(bound_tensors tensors, std::int64_t launch,
                                        std::int64_t sequences) const;

 private:
  const step_traits& traits_;
  slot_rotation rotation_;
};

}  // namespace ssugraph::detail
