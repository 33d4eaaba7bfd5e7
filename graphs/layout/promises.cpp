#include "graphs/layout/promises.hpp"

#include "graphs/core/pipeline_core.hpp"

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

worded in_words(promise which, const step_traits& step, std::int64_t rows) {
  const auto name_of = [&](operand_role role) {
    const std::size_t place = find_operand(step.operands, role);
    return std::string{place < step.operands.size() ? step.operands[place].name : ""};
  };
  const std::string most = std::to_string(step.sequences.max_seqlen);
  const std::string slot = "null_block_id or in [0, " + std::to_string(step.sequences.slots) + ")";
  const std::string bounds = name_of(operand_role::bounds);
  const std::string source = name_of(operand_role::source_slots);
  const bool has_destinations = step.sequences.dst_indices.data != nullptr;
  const std::string destination =
      has_destinations ? name_of(operand_role::destination_slots) : source;
  switch (which) {
    case promise::first_row:
      return {bounds, "0 or more", "a negative row"};
    case promise::order:
      return {bounds, "bounds that do not decrease", "an end in front of its begin"};
    case promise::length:
      return {bounds, "at most " + most + " tokens", "a longer sequence"};
    case promise::rows:
      return {bounds, "an end among the rows of the bucket, at most " + std::to_string(rows),
              "one behind them"};
    case promise::accepted:
      return {name_of(operand_role::counts), "from 0 to " + most, "a count outside of that"};
    case promise::source:
      return {source, slot, "another slot"};
    case promise::destination:
      return {destination, slot, "another slot"};
    case promise::written_once:
      return {destination, "a slot that is written once", "one that is written twice"};
    case promise::destination_free:
      return {destination, "a slot that no other sequence reads", "an earlier one's source"};
    case promise::source_unwritten:
      return {source, "a slot that no other sequence writes", "an earlier one's destination"};
  }
  return {};
}

}  // namespace

void throw_broken(const pipeline_core& core, volatile broken_promise* broken) {
  const broken_promise word = *broken;
  if (word == none_broken) return;
  *broken = none_broken;
  const auto which = static_cast<promise>(word & ((1U << promise_bits) - 1));
  const std::size_t index = (word >> promise_bits) & ((1U << step_bits) - 1);
  const std::string sequence = std::to_string(word >> (promise_bits + step_bits));
  const pipeline_step& step = core.steps[index];
  const worded words =
      in_words(which, step.library()->checked->traits(), core.rows_of(core.buckets.max_batch()));
  throw invalid_argument{step.name + "." + words.tensor + "[" + sequence + "]", words.expected,
                         words.came + ", in a replay before this call"};
}

}  // namespace ssugraph::detail
