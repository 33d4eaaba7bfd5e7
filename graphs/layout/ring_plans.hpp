#pragma once

#include "graphs/layout/arena_cursor.hpp"
#include "graphs/layout/bindings.hpp"
#include "graphs/layout/prologue.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** The plans that a lane's prologue makes of ring cursors. Steps that share a cursor share its
 *  plan. */
class ring_plans {
 public:
  /** What the table and the plans take if no two steps share one. */
  [[nodiscard]] static std::size_t most_bytes(const pipeline_core& core);

  ring_plans(const pipeline_core& core, const bound_steps& steps);

  void place_table(arena_cursor& memory) { table_ = memory.take<ring_job>(jobs_.size()); }
  void place_plans(arena_cursor& memory);

  /** One per cursor: the contents of the table. */
  [[nodiscard]] std::span<const ring_job> jobs() const noexcept { return jobs_; }
  /** Where the prologue reads the table. */
  [[nodiscard]] const ring_job* table() const noexcept { return table_; }
  /** The plan of a step; null: it has no cursor. */
  [[nodiscard]] const ring_plan_row* of(std::size_t step) const;

 private:
  std::int64_t max_batch_;
  std::vector<ring_job> jobs_;
  std::vector<std::int32_t> places_;  ///< of a step's plan in the table; -1: none
  ring_job* table_ = nullptr;
};

}  // namespace ssugraph::detail
