#include "graphs/layout/shared_cursors.hpp"

#include <ssugraph/error.hpp>

#include <cstdint>

namespace ssugraph::detail {
namespace {

tensor_view tensor_of(const step_traits& step, operand_role role) {
  const std::size_t place = find_operand(step.operands, role);
  return place < step.operands.size() ? step.tensors[place] : tensor_view{};
}

std::string in_words(const tensor_view& tensor) {
  return tensor ? to_string(tensor) : "nothing";
}

}  // namespace

bool share_cursor(const step_traits& mine, const step_traits& other) {
  const tensor_view cursor = tensor_of(mine, operand_role::ring_cursor);
  return cursor && cursor == tensor_of(other, operand_role::ring_cursor);
}

void check_shared_cursor(const step_traits& mine, const step_traits& other,
                         const std::string& owner) {
  if (!share_cursor(mine, other)) return;
  const std::string whose = " of '" + owner + "', whose ring_cursor this is: ";
  for (const operand_role role :
       {operand_role::source_slots, operand_role::counts, operand_role::bounds}) {
    const tensor_view my = tensor_of(mine, role);
    const tensor_view its = tensor_of(other, role);
    if (my == its) continue;
    const std::string name{mine.operands[find_operand(mine.operands, role)].name};
    throw invalid_argument{name, "that" + whose + in_words(its), in_words(my)};
  }
  const auto check = [&](const char* name, const char* what, std::int64_t my, std::int64_t its) {
    if (my == its) return;
    throw invalid_argument{name, what + whose + std::to_string(its), std::to_string(my)};
  };
  const ring_rule my_ring = mine.ring.value_or(ring_rule{});
  const ring_rule its_ring = other.ring.value_or(ring_rule{});
  check("checkpoint_interval", "W", my_ring.interval, its_ring.interval);
  check("x_ring", "R", my_ring.rows, its_ring.rows);
  check("max_seqlen", "T", mine.sequences.max_seqlen, other.sequences.max_seqlen);
  check("state", "the slots", my_ring.slots, its_ring.slots);
  check("null_block_id", "that", mine.null_block_id, other.null_block_id);
}

void check_still_shared(const step_traits& mine, const step_traits& my_built,
                        const step_traits& other, const step_traits& its_built,
                        const std::string& owner) {
  if (!share_cursor(my_built, its_built) || share_cursor(mine, other)) return;
  const std::size_t cursor = find_operand(mine.operands, operand_role::ring_cursor);
  throw invalid_argument{std::string{mine.operands[cursor].name},
                         "that of '" + owner + "', for the pipeline was built so",
                         to_string(mine.tensors[cursor])};
}

}  // namespace ssugraph::detail
