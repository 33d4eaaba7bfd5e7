#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/layout/prologue.hpp"
#include "graphs/layout/promises.hpp"

#include <ssugraph/binding.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/step.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ssugraph::detail {

/** The steps of a lane, on the tensors that are bound; null for custom steps. */
using bound_steps = std::vector<checked_pointer>;

/** As the pipeline was built. */
[[nodiscard]] bound_steps built_steps(const pipeline_core& core);

/** `steps` with `bindings` applied. Throws invalid_argument. */
[[nodiscard]] bound_steps bind(const pipeline_core& core, bound_steps steps,
                               std::span<const binding> bindings);

/** The row tensors of every step, for the check against other lanes. */
[[nodiscard]] std::vector<lane_tensor> row_tensors(const pipeline_core& core,
                                                   const bound_steps& steps);

/** Throws invalid_argument, which names the tensor, if `mine` writes a state that shares memory
 * with one of `other`, which is step `owner`. */
void check_own_state(const checked_step& mine, const checked_step& other, const std::string& owner);

/**
 * The memory of a lane: random state, live counts, seeds, scratch, the table of promises (in
 * checked mode), the table of copies, the copies. The same on the host and on a device. Sized
 * first, then placed in an arena of `bytes()` bytes, which suffice for the same pipeline whatever
 * is bound.
 */
class lane_layout {
 public:
  static constexpr std::size_t alignment = 256;

  lane_layout(const pipeline_core& core, bound_steps steps);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /** Resolves every address; `arena` is aligned to `alignment`. */
  void place(std::byte* arena);

  /** The table of copies. */
  [[nodiscard]] std::span<const copy_job> jobs() const noexcept { return jobs_; }
  [[nodiscard]] random_state* random() const noexcept { return random_; }

  /** The tables of promises (in checked mode) and of copies in one piece, which belongs at
   *  `table_address()` before the first replay. */
  [[nodiscard]] std::vector<std::byte> tables() const;
  [[nodiscard]] void* table_address() const noexcept { return promise_table_; }
  /** Where broken promises are reported, from the first check on. */
  void report_to(broken_promise* broken) noexcept { broken_ = broken; }
  [[nodiscard]] broken_promise* broken() const noexcept { return broken_; }
  /** What checks the promises; the same for every bucket and whatever is bound. */
  [[nodiscard]] promise_params promise_check() const noexcept;

  [[nodiscard]] prologue_params prologue(std::int32_t live, std::int32_t bucket) const noexcept;

  /** `live_source` as in prologue_params. */
  [[nodiscard]] prologue_params prologue(const std::int32_t* live_source,
                                         std::int32_t bucket) const noexcept;

  /** Goes over to the same steps on other tensors; addresses are wrong until `place`. */
  void rebind(bound_steps steps);

  [[nodiscard]] const bound_steps& steps() const noexcept { return steps_; }

  /** What library step `step` runs on in a bucket: its rows cut to the bucket, padded copies, its
   *  seed. */
  [[nodiscard]] bound_tensors step_tensors(std::size_t step, std::int32_t bucket) const;

  /** What custom step `step` works on in a bucket. */
  [[nodiscard]] step_context context(std::size_t step, std::int32_t bucket) const;

 private:
  /** Copies of one step's operands, as places in the table; -1: there is none of that operand. */
  using copy_places = std::vector<int>;

  void place_fixed_part(std::uintptr_t& address);
  copy_places copies_of(const step_traits& step);
  int copy_of(const operand& what, const tensor_view& source, std::int64_t null_block_id);
  /** The copy of the operand of `role` of a step; null if there is none. */
  [[nodiscard]] const copy_job* copy_of(std::size_t step, operand_role role) const;
  [[nodiscard]] promised promised_of(std::size_t step) const;
  void collect_promises();

  const pipeline_core* core_;
  bound_steps steps_;
  std::vector<copy_job> jobs_;
  std::vector<copy_places> copies_;
  std::int32_t bounds_job_ = -1;  ///< the copy whose bounds count the live rows; -1: there is none
  std::size_t bytes_ = 0;
  random_state* random_ = nullptr;
  live_counts* counts_ = nullptr;
  std::int64_t* seeds_ = nullptr;
  std::byte* scratch_ = nullptr;
  copy_job* table_ = nullptr;
  std::vector<promised> promises_;
  promised* promise_table_ = nullptr;
  broken_promise* broken_ = nullptr;
};

}  // namespace ssugraph::detail
