#include "graphs/layout/padded_copies.hpp"

#include "lib/step/operand.hpp"

#include <algorithm>

namespace ssugraph::detail {
namespace {

/** How the copy of an operand is padded. Only of those that have copies. */
padding padding_for(const operand& what, bool is_bound, const step_traits& step) {
  switch (what.role) {
    case operand_role::counts:
      return padding::one_token;
    case operand_role::bounds:
      return padding::last_bound;
    case operand_role::ring_plan:
      return padding::null_plans;
    case operand_role::source_slots:
    case operand_role::destination_slots:
    case operand_role::data:
    case operand_role::state:
    case operand_role::seed:
    case operand_role::ring_cursor:
    case operand_role::rounding_key:
      break;
  }
  if (!is_bound) return padding::identity;
  const bool keeps_null = step.sequences.null_block_id == step.null_block_id;
  return keeps_null ? padding::null_slots : padding::no_slots;
}

/** Indices that are not bound are made up. */
bool has_copy(const operand& what, const tensor_view& source) {
  return what.has_copy() && (source || what.role == operand_role::source_slots);
}

std::int64_t columns_of(const tensor_view& source) {
  return source.rank() == 2 ? source.extent(1) : 1;
}

std::size_t bytes_of(std::int64_t columns, bool wide, std::int64_t max_batch) {
  return static_cast<std::size_t>((max_batch + 1) * columns * (wide ? 8 : 4));
}

}  // namespace

std::size_t padded_copies::most_bytes(const pipeline_core& core) {
  std::size_t bytes = 0;
  std::size_t jobs = 0;
  for (const pipeline_step& step : core.steps) {
    if (step.library() == nullptr) continue;
    const step_traits& traits = step.library()->checked->traits();
    for (std::size_t i = 0; i < traits.operands.size(); ++i) {
      if (!has_copy(traits.operands[i], traits.tensors[i])) continue;
      bytes += arena_cursor::aligned(
          bytes_of(columns_of(traits.tensors[i]), true, core.buckets.max_batch()));
      ++jobs;
    }
  }
  return bytes + arena_cursor::aligned(jobs * sizeof(copy_job));
}

padded_copies::padded_copies(const pipeline_core& core, const bound_steps& steps)
    : max_batch_{core.buckets.max_batch()}, places_(steps.size()) {
  for (std::size_t step = 0; step < steps.size(); ++step) {
    if (steps[step]) places_[step] = add(steps[step]->traits());
  }
  const std::size_t first = core.first_with_sequences;
  const std::size_t bounds = find_operand(steps[first]->traits().operands, operand_role::bounds);
  if (bounds < places_[first].size()) bounds_job_ = places_[first][bounds];
}

padded_copies::copy_places padded_copies::add(const step_traits& step) {
  copy_places places(step.operands.size(), -1);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const operand& what = step.operands[i];
    const tensor_view& source = step.tensors[i];
    if (has_copy(what, source)) places[i] = add(what, source, step);
  }
  return places;
}

std::int32_t padded_copies::add(const operand& what, const tensor_view& source,
                                const step_traits& step) {
  const padding pad = padding_for(what, static_cast<bool>(source), step);
  const bool has_null = pad == padding::null_slots || pad == padding::no_slots;
  const copy_job job{
      .source = index_of(source),
      .copy = nullptr,
      .columns = columns_of(source),
      .null_block_id = has_null ? step.null_block_id : -1,
      .pad = pad,
  };
  const auto found =
      std::ranges::find_if(jobs_, [&](const copy_job& other) { return job.same_copy(other); });
  const auto place = static_cast<std::int32_t>(found - jobs_.begin());
  if (found == jobs_.end()) jobs_.push_back(job);
  return place;
}

void padded_copies::place(arena_cursor& memory) {
  table_ = memory.take<copy_job>(jobs_.size());
  for (copy_job& job : jobs_)
    job.copy = memory.take<std::byte>(bytes_of(job.columns, job.source.wide, max_batch_));
}

const void* padded_copies::of(std::size_t step, std::size_t operand) const {
  const std::int32_t job = places_[step][operand];
  return job < 0 ? nullptr : jobs_[static_cast<std::size_t>(job)].copy;
}

}  // namespace ssugraph::detail
