#pragma once

#include "graphs/pipeline_core.hpp"
#include "graphs/prologue.hpp"
#include "graphs/promises.hpp"

#include <ssugraph/pipeline.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ssugraph::detail {

/** The arguments that the pipeline was built with, a step each; empty ones for custom steps. */
[[nodiscard]] std::vector<ssu_args> built_arguments(const pipeline_core& core);

/** `arguments` with `bindings` applied. Throws invalid_argument. */
[[nodiscard]] std::vector<ssu_args> bound_arguments(const pipeline_core& core,
                                                    std::vector<ssu_args> arguments,
                                                    std::span<const binding> bindings);

/** The row tensors of every step, for the check against other lanes. */
[[nodiscard]] std::vector<lane_tensor> row_tensors(const pipeline_core& core,
                                                   const std::vector<ssu_args>& arguments);

/** Throws invalid_argument if `state` shares memory with `other`, the state of step `owner`. */
void check_own_state(const tensor_view& state, const tensor_view& other, const std::string& owner);

/**
 * The memory of a lane: random state, live counts, seeds, scratch, the table of promises (in
 * checked mode), the table of copies, the copies. The same on the host and on a device. Sized
 * first, then placed in an arena of `bytes()` bytes, which suffice for the same pipeline whatever
 * is bound.
 */
class lane_layout {
 public:
  static constexpr std::size_t alignment = 256;

  lane_layout(const pipeline_core& core, std::vector<ssu_args> arguments);

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

  /** Goes over to other arguments of the same layouts; addresses are wrong until `place`. */
  void rebind(std::vector<ssu_args> arguments);

  /** The arguments of every step, as bound. */
  [[nodiscard]] const std::vector<ssu_args>& arguments() const noexcept { return arguments_; }

  /** What SSU step `step` runs on in a bucket: its rows cut to the bucket, padded copies, its
   *  seed. */
  [[nodiscard]] ssu_args step_arguments(std::size_t step, std::int32_t bucket) const;

  /** What custom step `step` works on in a bucket. */
  [[nodiscard]] step_context context(std::size_t step, std::int32_t bucket) const;

 private:
  /** The copies of one step, as places in the table; -1: that tensor is not bound. */
  struct step_copies {
    int indices = -1;
    int dst_indices = -1;
    int accepted = -1;
    int cu_seqlens = -1;
  };

  void place_fixed_part(std::uintptr_t& address);
  step_copies copies_of(const ssu_args& args);
  int copy_of(const tensor_view& source, padding pad, std::int64_t null_block_id);
  [[nodiscard]] tensor_view padded(int job, std::int64_t rows) const;
  [[nodiscard]] promised promised_of(std::size_t step) const;
  void collect_promises();

  const pipeline_core& core_;
  std::vector<ssu_args> arguments_;
  std::vector<copy_job> jobs_;
  std::vector<step_copies> copies_;
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
