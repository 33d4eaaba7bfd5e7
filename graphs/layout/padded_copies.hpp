#pragma once

#include "graphs/layout/arena_cursor.hpp"
#include "graphs/layout/bindings.hpp"
#include "graphs/layout/prologue.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** The padded copies of a lane's index and count tensors, which its steps run on: which there are,
 *  whose, and where. Those that would be the same are one. */
class padded_copies {
 public:
  /** What the table and the copies take if no two steps share one. */
  [[nodiscard]] static std::size_t most_bytes(const pipeline_core& core);

  padded_copies(const pipeline_core& core, const bound_steps& steps);

  /** Takes the table and the copies out of `memory`. */
  void place(arena_cursor& memory);

  /** One per copy: the contents of the table. */
  [[nodiscard]] std::span<const copy_job> jobs() const noexcept { return jobs_; }
  /** Where the prologue reads the table. */
  [[nodiscard]] const copy_job* table() const noexcept { return table_; }
  /** The copy whose bounds count the live rows, by its place in the table; -1: there is none. */
  [[nodiscard]] std::int32_t bounds_job() const noexcept { return bounds_job_; }
  /** The copy of an operand of a step; null: there is none. */
  [[nodiscard]] const void* of(std::size_t step, std::size_t operand) const;

 private:
  /** Copies of one step's operands, as places in the table; -1: there is none of that operand. */
  using copy_places = std::vector<std::int32_t>;

  [[nodiscard]] copy_places add(const step_traits& step);
  [[nodiscard]] std::int32_t add(const operand& what, const tensor_view& source,
                                 const step_traits& step);

  std::int64_t max_batch_;
  std::vector<copy_job> jobs_;
  std::vector<copy_places> places_;
  std::int32_t bounds_job_ = -1;
  copy_job* table_ = nullptr;
};

}  // namespace ssugraph::detail
