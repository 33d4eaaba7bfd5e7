#include "graphs/promises.hpp"

#include "graphs/pipeline_core.hpp"

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

worded in_words(promise which, const ssu_args& args, std::int64_t max_seqlen) {
  const std::string most = std::to_string(max_seqlen);
  const std::string slot = "null_block_id or in [0, " + std::to_string(args.state.extent(0)) + ")";
  const std::string source = "state_batch_indices";
  const std::string destination = args.dst_state_batch_indices ? "dst_state_batch_indices" : source;
  switch (which) {
    case promise::first_row:
      return {"cu_seqlens", "0 or more", "a negative row"};
    case promise::order:
      return {"cu_seqlens", "bounds that do not decrease", "an end in front of its begin"};
    case promise::length:
      return {"cu_seqlens", "at most " + most + " tokens", "a longer sequence"};
    case promise::accepted:
      return {"num_accepted_tokens", "from 0 to " + most, "a count outside of that"};
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
  const worded words = in_words(which, step.ssu()->args, core.max_seqlen);
  throw invalid_argument{step.name + "." + words.tensor + "[" + sequence + "]", words.expected,
                         words.came + ", in a replay before this call"};
}

}  // namespace ssugraph::detail
