#include "graphs/layout/promise_table.hpp"

#include "lib/step/operand.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace ssugraph::detail {
namespace {

/** What a step promises of `tensors`. */
promised promises_of(const step_traits& step, const bound_tensors& tensors) {
  const auto find = [&](operand_role role) {
    const std::size_t place = find_operand(step.operands, role);
    return place < tensors.size() ? index_of(tensors[place]) : index_tensor{};
  };
  sequence_rule rule = step.sequences;
  rule.rows = std::numeric_limits<std::int64_t>::max();  // how many there are, the bucket says
  rule.indices = find(operand_role::source_slots);
  rule.dst_indices = find(operand_role::destination_slots);
  rule.cu_seqlens = find(operand_role::bounds);
  if (!step.ring) {
    rule.accepted = find(operand_role::counts);
    return {.rule = rule};
  }
  promised of{.rule = rule, .ring = *step.ring};
  if (of.ring.accepted.data != nullptr) of.ring.accepted = find(operand_role::counts);
  if (of.ring.cursor.data != nullptr) return of;
  of.plan = find(operand_role::ring_plan);
  const std::size_t sources = find_operand(step.operands, operand_role::source_slots);
  if (!step.tensors[sources]) of.rule.indices = {};  // made up, which a plan need not follow
  return of;
}

}  // namespace

void promise_table::clear() noexcept {
  std::ranges::fill(entries_, promised{});
  used_ = 0;
}

void promise_table::add(std::size_t step, const step_traits& traits, const bound_tensors& tensors) {
  promised of = promises_of(traits, tensors);
  const auto known = entries().first(used_);
  const auto is_same = [&](const promised& other) { return of.same_promises(other); };
  if (std::ranges::any_of(known, is_same)) return;
  of.step = static_cast<std::int32_t>(step);
  entries_[used_++] = of;
}

promise_params promise_table::params(const live_counts* counts, std::int64_t rows) const noexcept {
  return {.sequences = &counts->sequences,
          .entries = table_,
          .entry_count = static_cast<std::int32_t>(entries_.size()),
          .rows = rows,
          .broken = broken_};
}

void throw_if_broken(const pipeline_core& core, volatile broken_promise* broken) {
  const broken_promise word = *broken;
  if (word == none_broken) return;
  *broken = none_broken;
  const broken_entry entry = entry_of(word);
  const pipeline_step& step = core.steps[entry.step];
  const step_traits& traits = step.library()->checked->traits();
  named_by(step.name, [&] {
    throw_broken(entry, traits.operands, promises_of(traits, traits.tensors),
                 ", in a replay before this call");
  });
}

}  // namespace ssugraph::detail
