#include "graphs/layout/lane_layout.hpp"

#include "lib/step/operand.hpp"

#include <algorithm>
#include <utility>

namespace ssugraph::detail {

lane_layout::lane_layout(const pipeline_core& core, bound_steps steps)
    : core_{&core},
      steps_{std::move(steps)},
      copies_{core, steps_},
      rings_{core, steps_},
      promises_{core.checked ? core.steps.size() : 0} {
  arena_cursor counted{nullptr};
  place_fixed_part(counted);
  bytes_ = counted.bytes() + padded_copies::most_bytes(core) + ring_plans::most_bytes(core);
}

void lane_layout::rebind(bound_steps steps) {
  steps_ = std::move(steps);
  copies_ = padded_copies{*core_, steps_};
  rings_ = ring_plans{*core_, steps_};
}

/** All but what depends on the tensors that are bound. */
void lane_layout::place_fixed_part(arena_cursor& memory) {
  counters_ = memory.take<lane_counters>(1);
  const std::int64_t seeds = core_->seed_count * (core_->has_keyed_seeds ? 2 : 1);
  seeds_ = memory.take<std::int64_t>(static_cast<std::size_t>(seeds));
  scratch_ = memory.take<std::byte>(core_->scratch_bytes);
  promises_.place(memory);
}

void lane_layout::place(std::byte* arena) {
  arena_cursor memory{arena};
  place_fixed_part(memory);
  rings_.place_table(memory);
  copies_.place(memory);
  rings_.place_plans(memory);
  collect_promises();
}

void lane_layout::collect_promises() {
  promises_.clear();
  if (!core_->checked) return;
  for (std::size_t step = 0; step < steps_.size(); ++step) {
    if (!steps_[step]) continue;
    promises_.add(step, steps_[step]->traits(), step_tensors(step, core_->buckets.max_batch()));
  }
}

std::vector<std::byte> lane_layout::tables() const {
  std::vector<std::byte> bytes;
  for (const auto table : {std::as_bytes(promises_.entries()), std::as_bytes(rings_.jobs()),
                           std::as_bytes(copies_.jobs())}) {
    bytes.resize(arena_cursor::aligned(bytes.size()));
    bytes.insert(bytes.end(), table.begin(), table.end());
  }
  return bytes;
}

prologue_params lane_layout::prologue(std::int32_t live, std::int32_t bucket) const noexcept {
  return {.random = random(),
          .seeds = seeds_,
          .seed_count = core_->seed_count,
          .has_keyed_seeds = core_->has_keyed_seeds,
          .counts = &counters_->live,
          .jobs = copies_.table(),
          .job_count = static_cast<std::int32_t>(copies_.jobs().size()),
          .rings = rings_.table(),
          .ring_count = static_cast<std::int32_t>(rings_.jobs().size()),
          .bounds_job = copies_.bounds_job(),
          .live_source = nullptr,
          .live = live,
          .bucket = bucket,
          .rows = core_->rows_of(bucket)};
}

prologue_params lane_layout::prologue(const std::int32_t* live_source,
                                      std::int32_t bucket) const noexcept {
  prologue_params params = prologue(bucket, bucket);
  params.live_source = live_source;
  return params;
}

bound_tensors lane_layout::step_tensors(std::size_t step, const checked_step& on,
                                        std::int32_t bucket) const {
  const step_traits& traits = on.traits();
  bound_tensors tensors =
      first_sequences(traits.operands, traits.tensors, bucket, core_->rows_of(bucket));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (traits.operands[i].role == operand_role::ring_cursor) tensors[i] = {};  // the prologue's
    if (const tensor_view own = own_tensor(step, traits, i, bucket)) tensors[i] = own;
  }
  return tensors;
}

tensor_view lane_layout::own_tensor(std::size_t step, const step_traits& on, std::size_t place,
                                    std::int32_t bucket) const {
  const operand& what = on.operands[place];
  const std::int64_t consumer = core_->steps[step].library()->seed;
  if (what.role == operand_role::seed && consumer >= 0) {
    const std::int64_t first = has_rounding_key(on) ? core_->seed_count : 0;
    return {seeds_ + first + consumer, dtype::int64, {1}};
  }
  const void* data = copies_.of(step, place);
  if (what.role == operand_role::ring_plan && data == nullptr) data = rings_.of(step);
  return data == nullptr ? tensor_view{} : padded_copy(what, on.tensors[place], data, bucket);
}

step_context lane_layout::context(std::size_t step, std::int32_t bucket) const {
  const custom_step& custom = *core_->steps[step].custom();
  const step_traits& neighbour = steps_[custom.neighbour]->traits();
  const bound_tensors tensors = step_tensors(custom.neighbour, bucket);
  const auto copy = [&](operand_role role) {
    const std::size_t place = find_operand(neighbour.operands, role);
    return place < tensors.size() ? tensors[place] : tensor_view{};
  };
  return {
      .bucket = bucket,
      .rows = core_->rows_of(bucket),
      .live_sequences = &counters_->live.sequences,
      .live_rows = &counters_->live.rows,
      .first_row = &counters_->live.first_row,
      .state_batch_indices = copy(operand_role::source_slots),
      .dst_state_batch_indices = copy(operand_role::destination_slots),
      .num_accepted_tokens = copy(operand_role::counts),
      .cu_seqlens = copy(operand_role::bounds),
      .ring_plan = copy(operand_role::ring_plan),
      .null_block_id = neighbour.sequences.null_block_id,
      .seeds = {seeds_ + custom.first_seed, static_cast<std::size_t>(custom.options.seeds)},
      .scratch = {scratch_, custom.options.scratch_bytes},
  };
}

}  // namespace ssugraph::detail
