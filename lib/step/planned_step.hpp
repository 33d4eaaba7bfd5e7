#pragma once

#include "lib/step/operand.hpp"
#include "lib/step/ring.hpp"
#include "lib/step/sequence.hpp"

#include <ssugraph/candidate_timing.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/**
 * The steps of the library as a pipeline knows them, whatever operation they are of: first checked
 * (which tensors, which sequences, what could run it), then planned for a number of sequences (what
 * does run). Inside an operation all is typed; these two classes are where that ends.
 */
namespace ssugraph::detail {

class kernel_launches;

/** One way to run a step, by name. */
struct plan_choice {
  std::string backend;
  std::string algorithm;

  /** `native:2x128`. */
  [[nodiscard]] std::string label() const { return backend + ":" + algorithm; }
  bool operator==(const plan_choice&) const = default;
};

/** What a description says of a plan: names and values, in order. */
using plan_field_value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;
using plan_fields = std::vector<std::pair<std::string_view, plan_field_value>>;

/** How a step runs for a number of sequences. Const and shared once it is loaded. */
class planned_step {
 public:
  planned_step() = default;
  planned_step(const planned_step&) = delete;
  planned_step& operator=(const planned_step&) = delete;
  virtual ~planned_step() = default;

  /** Sequences that it was planned for. */
  [[nodiscard]] virtual std::int64_t sequences() const = 0;
  [[nodiscard]] virtual plan_choice choice() const = 0;
  /** One line for people, without its end. */
  [[nodiscard]] virtual std::string text() const = 0;
  [[nodiscard]] virtual plan_fields fields() const = 0;

  /** Bytes that it must move for so many sequences of so many rows in all. */
  [[nodiscard]] virtual std::int64_t bytes(std::int64_t sequences, std::int64_t rows) const = 0;
  /** Whether both launch the same, whatever was measured. */
  [[nodiscard]] virtual bool equals(const planned_step& other) const = 0;

  /** What was measured of it and of what it was chosen among. */
  [[nodiscard]] virtual const std::vector<candidate_timing>& timings() const = 0;
  virtual void set_timings(std::vector<candidate_timing> timings) = 0;

  /** Loads its kernels without running them. Throws cuda_error. */
  virtual void load() {}
  /** Its launches; null if it is none of the library's kernels, and only `enqueue` runs it. */
  [[nodiscard]] virtual const kernel_launches* kernels() const noexcept { return nullptr; }
  /** Runs it on `tensors`, in stream order. Throws cuda_error, and what a user's backend throws. */
  virtual void enqueue(std::span<const tensor_view> tensors, stream_handle stream) const = 0;
};

/** What every checked step says, whatever its operation. */
struct step_traits {
  std::string_view operation;          ///< its name, `ssu`
  std::span<const operand> operands;   ///< of the operation
  bound_tensors tensors;               ///< canonical, cut to the largest batch
  sequence_rule sequences;             ///< of these tensors, with the null block as launched
  std::optional<ring_rule> ring = {};  ///< of a checkpointed state; its cursor may be absent
  std::int64_t null_block_id = -1;     ///< as the caller gave it
  ssugraph::device device;             ///< where they are
  bool draws_seed = false;             ///< takes one of a lane's seeds
  int multiprocessors = 0;             ///< to plan for; 0 on the host
};

/** A step whose tensors and scalars are valid. Const. */
class checked_step {
 public:
  checked_step(const checked_step&) = delete;
  checked_step& operator=(const checked_step&) = delete;
  virtual ~checked_step() = default;

  [[nodiscard]] const step_traits& traits() const noexcept { return traits_; }
  /** What its plans are of, in words. */
  [[nodiscard]] virtual std::string problem() const = 0;
  /** The same, with all that sets its measurements apart from another step's. */
  [[nodiscard]] virtual std::string tuning_key() const { return problem(); }

  /** The same step on other tensors, which are known to lie on `where`, or are looked up. Throws
   *  invalid_argument, which names one. */
  [[nodiscard]] virtual std::shared_ptr<const checked_step> on(
      bound_tensors tensors, std::optional<ssugraph::device> where = {}) const = 0;
  /** The same step, to be planned for so many multiprocessors. */
  [[nodiscard]] virtual std::shared_ptr<const checked_step> on_multiprocessors(int count) const = 0;
  /** Why `planned`, a plan of this step on other tensors, does not serve these; empty: it does. */
  [[nodiscard]] virtual std::string why_not(const planned_step& planned) const = 0;

  /** The plan that its config asks for. Throws unsupported. */
  [[nodiscard]] virtual std::shared_ptr<planned_step> plan(std::int64_t sequences) const = 0;
  /** By this choice. Throws unsupported. */
  [[nodiscard]] virtual std::shared_ptr<planned_step> plan(std::int64_t sequences,
                                                           const plan_choice& choice) const = 0;
  /** Whether its config asks to measure the candidates. */
  [[nodiscard]] virtual bool is_measured() const = 0;
  /** The choices worth measuring, at least one. Throws unsupported. */
  [[nodiscard]] virtual std::vector<plan_choice> candidates(std::int64_t sequences) const = 0;

 protected:
  explicit checked_step(step_traits traits) : traits_{std::move(traits)} {}

 private:
  step_traits traits_;
};

// --- What a pipeline launches a step on ----------------------------------------------------------

/** The view of a lane's copy of an index or count tensor for `sequences` sequences: dense, at
 *  `data`. Of indices that are not bound there is a copy, too, and of a plan that the prologue
 * makes of a cursor. Empty for other operands, and for the rest that is not bound. */
[[nodiscard]] tensor_view padded_copy(const operand& what, const tensor_view& source,
                                      const void* data, std::int64_t sequences);

/** An index or count tensor as sequence.hpp reads it. */
[[nodiscard]] index_tensor index_of(const tensor_view& tensor);

/** The null block of what is launched, which the copies of indices are padded with:
 *  `null_block_id`; but -1, which names no slot, either, where no source slots are bound, for those
 *  made up may be any, or where an index cannot hold it. */
[[nodiscard]] std::int64_t launched_null_block_id(std::span<const operand> operands,
                                                  std::span<const tensor_view> tensors,
                                                  std::int64_t null_block_id);

/** Whether its bits are those of keys, and its seed the same in every replay. */
[[nodiscard]] bool has_rounding_key(const step_traits& step);

/** The tensors of a step with a lane's copies and seed in place of the user's, at an address that
 *  only tells their alignment. */
[[nodiscard]] bound_tensors as_launched(const step_traits& step, std::int64_t sequences);

}  // namespace ssugraph::detail
