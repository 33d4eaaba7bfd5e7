#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/layout/arena_cursor.hpp"
#include "graphs/layout/prologue.hpp"
#include "lib/step/planned_step.hpp"
#include "lib/step/promises.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** What callers promise of a lane's steps. Steps with the same promises share one entry. The size
 * of the table never changes: behind the last entry it is empty. */
class promise_table {
 public:
  /** For so many steps. */
  explicit promise_table(std::size_t steps) : entries_(steps) {}

  /** Takes the table out of `memory`. */
  void place(arena_cursor& memory) noexcept { table_ = memory.take<promised>(entries_.size()); }
  /** Where broken promises are reported. */
  void report_to(broken_promise* broken) noexcept { broken_ = broken; }

  void clear() noexcept;
  /** Enters what is promised of `tensors`, which `step` runs on. */
  void add(std::size_t step, const step_traits& traits, const bound_tensors& tensors);

  /** The contents of the table. */
  [[nodiscard]] std::span<const promised> entries() const noexcept { return entries_; }
  /** Where the kernel reads the table. */
  [[nodiscard]] promised* table() const noexcept { return table_; }
  /** What the kernel gets in a bucket of `rows`; `counts` are the lane's. */
  [[nodiscard]] promise_params params(const live_counts* counts, std::int64_t rows) const noexcept;

 private:
  std::vector<promised> entries_;
  std::size_t used_ = 0;
  promised* table_ = nullptr;
  broken_promise* broken_ = nullptr;
};

/** Throws invalid_argument for what a replay reported in `broken`, if any did, and clears it. */
void throw_if_broken(const pipeline_core& core, volatile broken_promise* broken);

}  // namespace ssugraph::detail
