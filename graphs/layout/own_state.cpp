#include "graphs/layout/own_state.hpp"

#include "graphs/layout/shared_cursors.hpp"
#include "lib/core/overlap.hpp"

#include <ssugraph/error.hpp>

#include <cstddef>

namespace ssugraph::detail {
namespace {

bool is_cursor(const operand& what) {
  return what.role == operand_role::ring_cursor;
}

bool is_kept(const operand& what) {
  return what.role == operand_role::state || is_cursor(what);
}

/** Of operands of two steps. A prologue writes cursors beside reading what tells of sequences. */
bool must_be_apart(const operand& mine, const operand& other) {
  if (!mine.is_written() && !other.is_written()) return false;
  if (is_kept(mine) && is_kept(other)) return true;
  return (is_cursor(mine) && other.comes_with_state()) ||
         (is_cursor(other) && mine.comes_with_state());
}

std::string what_is_expected(const operand& what, const step_traits& mine,
                             const step_traits& other) {
  if (is_cursor(what)) return "one of its own, or the whole of another step's";
  if (mine.ring || other.ring) return "memory apart from that of a step with rings";
  return "one of its own (or ssu_options::shares_state)";
}

}  // namespace

void check_own_state(const step_traits& mine, const step_traits& other, const std::string& owner) {
  const bool is_one_cursor = share_cursor(mine, other);
  for (std::size_t i = 0; i < mine.operands.size(); ++i) {
    const operand& my = mine.operands[i];
    for (std::size_t j = 0; j < other.operands.size(); ++j) {
      const operand& its = other.operands[j];
      if (!mine.tensors[i] || !other.tensors[j] || !must_be_apart(my, its)) continue;
      if (is_one_cursor && is_cursor(my) && is_cursor(its)) continue;
      if (!may_overlap(mine.tensors[i], other.tensors[j])) continue;
      throw invalid_argument{std::string{my.name}, what_is_expected(my, mine, other),
                             describe_overlap(mine.tensors[i], other.tensors[j],
                                              std::string{its.name} + " of '" + owner + "'")};
    }
  }
}

}  // namespace ssugraph::detail
