#pragma once

#include <ssugraph/tensor_view.hpp>

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/**
 * The tensors of a step, by name. Each operation says once what each of its tensors is; everything
 * that handles tensors without knowing the operation (overlap, a lane's copies, rebinding, scratch)
 * goes by that table. Operands and bound tensors have the same order.
 */
namespace ssugraph::detail {

/** What the first axis of a tensor counts, and so how it grows with the batch. */
enum class first_axis : std::uint8_t { slots, rows, sequences, boundaries, none };

/** What a step does to the tensor. */
enum class operand_access : std::uint8_t { read, write, both };

/** What the tensor is for. All but `data` says which state is meant, or is it. */
enum class operand_role : std::uint8_t {
  data,
  state,
  source_slots,       ///< (n) or (n, T): the slots that are read
  destination_slots,  ///< the same shape: those that are written
  counts,             ///< (n): tokens accepted of the step before
  bounds,             ///< (n + 1): where the rows of a sequence begin
  seed,               ///< one int64, of a lane's own in a pipeline
  ring_cursor,        ///< (slots, 4): what is live of each slot's ring; the prologue's alone
  ring_plan,          ///< (n, 8): the same of each sequence in this step
  rounding_key,       ///< (slots): whose bits round its state
};

/** A tensor of a step by name. */
struct operand {
  std::string_view name;
  first_axis leading;
  operand_role role = operand_role::data;
  operand_access access = operand_access::read;
  /** Every byte of its scratch where plans are timed: such floats are small, of this sign. */
  std::uint8_t scratch_byte = small_positive;

  static constexpr std::uint8_t small_positive = 0x3c;
  static constexpr std::uint8_t small_negative = 0xbc;

  [[nodiscard]] constexpr bool is_read() const { return access != operand_access::write; }
  [[nodiscard]] constexpr bool is_written() const { return access != operand_access::read; }
  /** A lane launches on a padded copy of it, not on what the user binds. Of a plan it has one where
   *  a cursor is bound, too: its prologue writes that. */
  [[nodiscard]] constexpr bool has_copy() const {
    return role == operand_role::source_slots || role == operand_role::destination_slots ||
           role == operand_role::counts || role == operand_role::bounds ||
           role == operand_role::ring_plan;
  }
  /** Of the sequences, which steps may share, and not of one step. */
  [[nodiscard]] constexpr bool tells_of_sequences() const {
    return has_copy() || role == operand_role::ring_cursor || role == operand_role::rounding_key;
  }
  /** Read together with the state: it, or what says which of it and how. */
  [[nodiscard]] constexpr bool comes_with_state() const { return role != operand_role::data; }
};

/** Bound tensors in the order of their operands; those not bound are empty. */
using bound_tensors = std::vector<tensor_view>;

/** Some of the operands of a step, by their places. */
using operand_set = std::bitset<64>;

/** What one launch of a plan does to memory. */
struct launch_operands {
  operand_set writes;
  operand_set reads_with_state;  ///< what it may read first
  operand_set reads_otherwise;
};

/** Those of a launch that does all that its step does. */
[[nodiscard]] launch_operands operands_of_whole(std::span<const operand> operands);

/** The place of the operand called `name`; operands.size() if there is none. */
[[nodiscard]] std::size_t find_operand(std::span<const operand> operands, std::string_view name);

/** The place of the first operand of `role`; operands.size() if there is none. */
[[nodiscard]] std::size_t find_operand(std::span<const operand> operands, operand_role role);

/** Entries that the first axis of an operand has for `sequences` sequences of `rows` rows in all;
 *  `otherwise` where that does not depend on them. */
[[nodiscard]] std::int64_t entries_of(const operand& what, std::int64_t sequences,
                                      std::int64_t rows, std::int64_t otherwise);

/** `tensors` cut to their first `sequences` sequences and `rows` rows. Throws invalid_argument, by
 *  name, where a bound tensor has fewer. */
[[nodiscard]] bound_tensors first_sequences(std::span<const operand> operands,
                                            bound_tensors tensors, std::int64_t sequences,
                                            std::int64_t rows);

}  // namespace ssugraph::detail
