#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/layout/arena_cursor.hpp"
#include "graphs/layout/bindings.hpp"
#include "graphs/layout/padded_copies.hpp"
#include "graphs/layout/prologue.hpp"
#include "graphs/layout/promise_table.hpp"
#include "graphs/layout/ring_plans.hpp"

#include <ssugraph/random.hpp>
#include <ssugraph/step.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** What a prologue advances and counts. */
struct lane_counters {
  random_state random;
  live_counts live;
};

/**
 * The memory of a lane: random state, live counts, seeds, scratch, the tables of promises (in
 * checked mode), of rings and of copies, the copies, the plans of rings. The same on the host and
 * on a device. Sized first, then placed in an arena of `bytes()` bytes, which suffice for the same
 * pipeline whatever is bound.
 */
class lane_layout {
 public:
  lane_layout(const pipeline_core& core, bound_steps steps);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /** Resolves every address; `arena` is aligned as arena_cursor asks. */
  void place(std::byte* arena);

  /** The table of copies. */
  [[nodiscard]] std::span<const copy_job> jobs() const noexcept { return copies_.jobs(); }
  /** The table of rings. */
  [[nodiscard]] std::span<const ring_job> rings() const noexcept { return rings_.jobs(); }
  [[nodiscard]] random_state* random() const noexcept { return &counters_->random; }

  /** The tables of promises (in checked mode), rings and copies in one piece, which belongs at
   *  `table_address()` before the first replay. */
  [[nodiscard]] std::vector<std::byte> tables() const;
  [[nodiscard]] void* table_address() const noexcept { return promises_.table(); }
  /** Where broken promises are reported. */
  void report_to(broken_promise* broken) noexcept { promises_.report_to(broken); }
  /** The same whatever is bound. */
  [[nodiscard]] promise_params promises(std::int32_t bucket) const noexcept {
    return promises_.params(&counters_->live, core_->rows_of(bucket));
  }

  [[nodiscard]] prologue_params prologue(std::int32_t live, std::int32_t bucket) const noexcept;

  /** `live_source` as in prologue_params. */
  [[nodiscard]] prologue_params prologue(const std::int32_t* live_source,
                                         std::int32_t bucket) const noexcept;

  /** Goes over to the same steps on other tensors; addresses are wrong until `place`. */
  void rebind(bound_steps steps);

  [[nodiscard]] const pipeline_core& core() const noexcept { return *core_; }
  [[nodiscard]] const bound_steps& steps() const noexcept { return steps_; }

  /** What library step `step` runs on in a bucket: its rows cut to the bucket, padded copies, its
   *  seed. */
  [[nodiscard]] bound_tensors step_tensors(std::size_t step, std::int32_t bucket) const {
    return step_tensors(step, *steps_[step], bucket);
  }
  /** The same where its rows are those of `on`. */
  [[nodiscard]] bound_tensors step_tensors(std::size_t step, const checked_step& on,
                                           std::int32_t bucket) const;

  /** What custom step `step` works on in a bucket. */
  [[nodiscard]] step_context context(std::size_t step, std::int32_t bucket) const;

 private:
  void place_fixed_part(arena_cursor& memory);
  void collect_promises();
  /** What library step `step`, on the tensors `on`, has of the lane's in place of an operand;
   * empty: nothing. */
  [[nodiscard]] tensor_view own_tensor(std::size_t step, const step_traits& on, std::size_t place,
                                       std::int32_t bucket) const;

  const pipeline_core* core_;
  bound_steps steps_;
  padded_copies copies_;
  ring_plans rings_;
  promise_table promises_;
  std::size_t bytes_ = 0;
  lane_counters* counters_ = nullptr;
  std::int64_t* seeds_ = nullptr;
  std::byte* scratch_ = nullptr;
};

}  // namespace ssugraph::detail
