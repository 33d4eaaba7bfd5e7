#include "lib/step/promises.hpp"

#include <ssugraph/error.hpp>

#include <cstddef>
#include <string>

namespace ssugraph::detail {
namespace {

/** A promise in words: the tensor that breaks it, what was promised, what came. */
struct worded {
  std::string tensor;
  std::string expected;
  std::string came;
};

worded in_words(promise which, std::span<const operand> operands, const promised& of) {
  const sequence_rule& rule = of.rule;
  const auto name_of = [&](operand_role role) {
    const std::size_t place = find_operand(operands, role);
    return std::string{place < operands.size() ? operands[place].name : ""};
  };
  const std::string most = std::to_string(rule.max_seqlen);
  const auto slot_of = [](std::int64_t slots) {
    return "null_block_id or in [0, " + std::to_string(slots) + ")";
  };
  const std::string bounds = name_of(operand_role::bounds);
  const std::string source = name_of(operand_role::source_slots);
  const bool has_destinations = rule.dst_indices.data != nullptr;
  const std::string plan = name_of(operand_role::ring_plan);
  const std::string destination = of.plan.data != nullptr ? plan
                                  : has_destinations      ? name_of(operand_role::destination_slots)
                                                          : source;
  const std::string ring_rows = std::to_string(of.ring.rows);
  switch (which) {
    case promise::first_row:
      return {bounds, "0 or more", "a negative row"};
    case promise::order:
      return {bounds, "bounds that do not decrease", "an end in front of its begin"};
    case promise::length:
      return {bounds, "at most " + most + " tokens", "a longer sequence"};
    case promise::rows:
      return {bounds, "an end among the rows that there are", "one behind them"};
    case promise::accepted:
      return {name_of(operand_role::counts), "from 0 to " + std::to_string(most_accepted(of)),
              "a count outside of that"};
    case promise::source:
      return {source, slot_of(rule.slots), "another slot"};
    case promise::destination:
      return {destination, slot_of(rule.dst_slots), "another slot"};
    case promise::written_once:
      return {destination, "a slot that is written once", "one that is written twice"};
    case promise::destination_free:
      return {destination, "a slot that no other sequence reads", "an earlier one's source"};
    case promise::source_unwritten:
      return {source, "a slot that no other sequence writes", "an earlier one's destination"};
    case promise::cursor:
      return {name_of(operand_role::ring_cursor),
              "start in [0, " + ring_rows +
                  "), a count that was not due of W = " + std::to_string(of.ring.interval) +
                  ", pending rows that a step leaves, position from 0 on",
              "a cursor that no step left"};
    case promise::plan_slot:
      return {plan, "-1, " + slot_of(of.ring.slots), "another slot"};
    case promise::plan_rows:
      return {plan, "start in [0, " + ring_rows + "), count + length in [0, " + ring_rows + "]",
              "rows that the ring does not have"};
    case promise::plan_flush:
      return {plan, "a flush from 0 to count", "another one"};
    case promise::plan_index:
      return {plan, "-1, or the slot that " + source + " names", "another slot"};
    case promise::plan_length:
      return {plan, "the length of the sequence", "another one"};
  }
  return {};
}

}  // namespace

broken_entry entry_of(broken_promise broken) noexcept {
  return {.which = static_cast<promise>(broken & ((1U << promise_bits) - 1)),
          .step = (broken >> promise_bits) & ((1U << step_bits) - 1),
          .place = static_cast<std::int64_t>(broken >> (promise_bits + step_bits))};
}

void throw_broken(const broken_entry& broken, std::span<const operand> operands, const promised& of,
                  const std::string& when) {
  const worded words = in_words(broken.which, operands, of);
  throw invalid_argument{words.tensor + "[" + std::to_string(broken.place) + "]", words.expected,
                         words.came + when};
}

}  // namespace ssugraph::detail
