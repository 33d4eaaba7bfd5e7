#pragma once

#include "graphs/pipeline_core.hpp"
#include "graphs/prologue.hpp"

#include <ssugraph/pipeline.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ssugraph::detail {

/** The arguments of each step with `bindings` applied. Throws invalid_argument. */
[[nodiscard]] std::vector<ssu_args> bound_arguments(const pipeline_core& core,
                                                    std::span<const binding> bindings);

/**
 * The memory of a lane: random state, live counts, seeds, the table of copies, the copies. The same
 * on the host and on a device. Sized first, then placed in an arena of `bytes()` bytes.
 */
class lane_layout {
 public:
  static constexpr std::size_t alignment = 256;

  lane_layout(const pipeline_core& core, std::vector<ssu_args> arguments);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /** Resolves every address; `arena` is aligned to `alignment`. */
  void place(std::byte* arena);

  /** The table of copies; belongs at `table()` before the first replay. */
  [[nodiscard]] std::span<const copy_job> jobs() const noexcept { return jobs_; }
  [[nodiscard]] copy_job* table() const noexcept { return table_; }
  [[nodiscard]] random_state* random() const noexcept { return random_; }

  [[nodiscard]] prologue_params prologue(std::int32_t live, std::int32_t bucket) const noexcept;

  /** What step `step` runs on in a bucket: its rows cut to the bucket, padded copies, its seed. */
  [[nodiscard]] ssu_args step_arguments(std::size_t step, std::int32_t bucket) const;

  /** The row tensors of every step, for the check against other lanes. */
  [[nodiscard]] std::vector<lane_tensor> row_tensors() const;

 private:
  /** The copies of one step, as places in the table; -1: that tensor is not bound. */
  struct step_copies {
    int indices = -1;
    int dst_indices = -1;
    int accepted = -1;
    int cu_seqlens = -1;
  };

  step_copies copies_of(const ssu_args& args);
  int copy_of(const tensor_view& source, padding pad, std::int64_t null_block_id);
  [[nodiscard]] tensor_view padded(int job, std::int64_t rows) const;

  const pipeline_core& core_;
  std::vector<ssu_args> arguments_;
  std::vector<copy_job> jobs_;
  std::vector<step_copies> copies_;
  std::size_t bytes_ = 0;
  random_state* random_ = nullptr;
  live_counts* counts_ = nullptr;
  std::int64_t* seeds_ = nullptr;
  copy_job* table_ = nullptr;
};

}  // namespace ssugraph::detail
