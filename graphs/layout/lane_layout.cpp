#include "graphs/layout/lane_layout.hpp"

#include "lib/core/overlap.hpp"
#include "lib/step/operand.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

std::size_t find_library_step(const pipeline_core& core, const std::string& name) {
  const auto found = std::ranges::find(core.steps, name, &pipeline_step::name);
  if (found == core.steps.end() || found->library() == nullptr) {
    throw invalid_argument{"bindings", "the name of a step with tensors", "'" + name + "'"};
  }
  return static_cast<std::size_t>(found - core.steps.begin());
}

/** The place of the operand that `bound` names. A seed is not the user's to bind. */
std::size_t find_bound_operand(const step_traits& step, const binding& bound) {
  const std::size_t place = find_operand(step.operands, bound.tensor);
  if (place < step.operands.size() && step.operands[place].role != operand_role::seed) return place;
  std::string names;
  for (const operand& each : step.operands) {
    if (each.role != operand_role::seed)
      names += (names.empty() ? "" : ", ") + std::string{each.name};
  }
  throw invalid_argument{"bindings", "one of " + names, "'" + bound.tensor + "'"};
}

/** `step` on other tensors; it must still run by the plans that were resolved for it. */
checked_pointer rebound(const pipeline_step& step, bound_tensors tensors) {
  const library_step& built = *step.library();
  checked_pointer now = named_by(step.name, [&] { return built.checked->on(std::move(tensors)); });
  if (now->traits().device != built.checked->traits().device) {
    throw invalid_argument{step.name, "tensors on the device that the pipeline was built for",
                           "tensors elsewhere"};
  }
  for (const planned_pointer& planned : built.plans) {
    const std::string reason = now->why_not(*planned);
    if (reason.empty()) continue;
    const auto [backend, algorithm] = planned->choice();
    throw invalid_argument{
        step.name, "tensors that algorithm " + algorithm + " of " + backend + " can take", reason};
  }
  return now;
}

/** No two steps on one state, but where the later one was built to share. */
void check_states(const pipeline_core& core, const bound_steps& steps) {
  for (std::size_t step = 0; step < steps.size(); ++step) {
    if (!steps[step] || core.steps[step].library()->shares_state) continue;
    for (std::size_t earlier = 0; earlier < step; ++earlier) {
      if (!steps[earlier]) continue;
      named_by(core.steps[step].name,
               [&] { check_own_state(*steps[step], *steps[earlier], core.steps[earlier].name); });
    }
  }
}

/** How the copy of an operand is padded. Only of those that have copies. */
padding padding_for(const operand& what, bool is_bound) {
  switch (what.role) {
    case operand_role::counts:
      return padding::one_token;
    case operand_role::bounds:
      return padding::last_bound;
    case operand_role::source_slots:
    case operand_role::destination_slots:
    case operand_role::data:
    case operand_role::state:
    case operand_role::seed:
      break;
  }
  return is_bound ? padding::null_slots : padding::identity;
}

template <class Value>
void store_at(std::byte* to, std::span<const Value> values) {
  if (!values.empty()) std::memcpy(to, values.data(), values.size_bytes());
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + lane_layout::alignment - 1) / lane_layout::alignment * lane_layout::alignment;
}

std::size_t copy_bytes(std::int64_t columns, bool wide, std::int64_t max_batch) {
  const std::int64_t bytes = (max_batch + 1) * columns * (wide ? 8 : 4);
  return aligned(static_cast<std::size_t>(bytes));
}

std::int64_t columns_of(const tensor_view& source) {
  return source.rank() == 2 ? source.extent(1) : 1;
}

/** What the table and the copies take if no two steps share one. */
std::size_t most_copy_bytes(const pipeline_core& core) {
  std::size_t bytes = 0;
  std::size_t jobs = 0;
  for (const pipeline_step& step : core.steps) {
    if (step.library() == nullptr) continue;
    const step_traits& traits = step.library()->checked->traits();
    for (std::size_t i = 0; i < traits.operands.size(); ++i) {
      if (!traits.operands[i].has_copy()) continue;
      bytes += copy_bytes(columns_of(traits.tensors[i]), true, core.buckets.max_batch());
      ++jobs;
    }
  }
  return bytes + aligned(jobs * sizeof(copy_job));
}

std::size_t promise_capacity(const pipeline_core& core) {
  return core.checked ? core.steps.size() : 0;
}

}  // namespace

void check_own_state(const checked_step& mine, const checked_step& other,
                     const std::string& owner) {
  const step_traits& my = mine.traits();
  const step_traits& its = other.traits();
  for (std::size_t i = 0; i < my.operands.size(); ++i) {
    if (my.operands[i].role != operand_role::state) continue;
    for (std::size_t j = 0; j < its.operands.size(); ++j) {
      if (its.operands[j].role != operand_role::state) continue;
      if (!my.operands[i].is_written() && !its.operands[j].is_written()) continue;
      if (!may_overlap(my.tensors[i], its.tensors[j])) continue;
      throw invalid_argument{std::string{my.operands[i].name},
                             "one of its own (or ssu_options::shares_state)",
                             "overlap with the state of '" + owner + "'"};
    }
  }
}

bound_steps built_steps(const pipeline_core& core) {
  bound_steps steps;
  steps.reserve(core.steps.size());
  for (const pipeline_step& step : core.steps)
    steps.push_back(step.library() != nullptr ? step.library()->checked : nullptr);
  return steps;
}

bound_steps bind(const pipeline_core& core, bound_steps steps, std::span<const binding> bindings) {
  std::map<std::size_t, bound_tensors> changed;
  std::set<std::pair<std::size_t, std::size_t>> bound_before;
  for (const binding& bound : bindings) {
    const std::size_t step = find_library_step(core, bound.step);
    const std::size_t place = find_bound_operand(steps[step]->traits(), bound);
    bound_tensors& tensors = changed.try_emplace(step, steps[step]->traits().tensors).first->second;
    const std::string name = bound.step + "." + bound.tensor;
    if (!tensors[place])
      throw invalid_argument{name, "a tensor that the step binds", "an unbound one"};
    if (!bound_before.insert({step, place}).second) {
      throw invalid_argument{name, "one address", "two bindings"};
    }
    tensors[place] = tensors[place].at(bound.data);
  }
  for (auto& [step, tensors] : changed)
    steps[step] = rebound(core.steps[step], std::move(tensors));
  if (!bindings.empty()) check_states(core, steps);
  return steps;
}

std::vector<lane_tensor> row_tensors(const pipeline_core& core, const bound_steps& steps) {
  std::vector<lane_tensor> tensors;
  for (std::size_t step = 0; step < steps.size(); ++step) {
    if (!steps[step]) continue;
    const step_traits& traits = steps[step]->traits();
    for (std::size_t i = 0; i < traits.operands.size(); ++i) {
      const operand& what = traits.operands[i];
      if (!traits.tensors[i] || what.leading != first_axis::rows) continue;
      tensors.push_back({core.steps[step].name + "." + std::string{what.name}, traits.tensors[i],
                         what.is_written()});
    }
  }
  return tensors;
}

lane_layout::lane_layout(const pipeline_core& core, bound_steps steps) : core_{&core} {
  rebind(std::move(steps));
  std::uintptr_t end = 0;
  place_fixed_part(end);
  bytes_ = end + most_copy_bytes(core);
}

void lane_layout::rebind(bound_steps steps) {
  steps_ = std::move(steps);
  jobs_.clear();
  copies_.assign(steps_.size(), {});
  for (std::size_t step = 0; step < steps_.size(); ++step) {
    if (steps_[step]) copies_[step] = copies_of(steps_[step]->traits());
  }
  const copy_job* const bounds = copy_of(core_->first_with_sequences, operand_role::bounds);
  bounds_job_ = bounds == nullptr ? -1 : static_cast<std::int32_t>(bounds - jobs_.data());
}

lane_layout::copy_places lane_layout::copies_of(const step_traits& step) {
  copy_places places(step.operands.size(), -1);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const operand& what = step.operands[i];
    const tensor_view& source = step.tensors[i];
    const bool made_up = what.role == operand_role::source_slots;
    if (what.has_copy() && (source || made_up))
      places[i] = copy_of(what, source, step.sequences.null_block_id);
  }
  return places;
}

int lane_layout::copy_of(const operand& what, const tensor_view& source,
                         std::int64_t null_block_id) {
  const padding pad = padding_for(what, static_cast<bool>(source));
  const copy_job job{
      .source = index_of(source),
      .copy = nullptr,
      .columns = columns_of(source),
      .null_block_id = pad == padding::null_slots ? null_block_id : -1,
      .pad = pad,
  };
  const auto found =
      std::ranges::find_if(jobs_, [&](const copy_job& other) { return job.same_copy(other); });
  if (found != jobs_.end()) return static_cast<int>(found - jobs_.begin());
  jobs_.push_back(job);
  return static_cast<int>(jobs_.size()) - 1;
}

const copy_job* lane_layout::copy_of(std::size_t step, operand_role role) const {
  const std::size_t place = find_operand(steps_[step]->traits().operands, role);
  const int job = place < copies_[step].size() ? copies_[step][place] : -1;
  return job < 0 ? nullptr : &jobs_[static_cast<std::size_t>(job)];
}

/** An address, for there may be no memory yet. */
void lane_layout::place_fixed_part(std::uintptr_t& address) {
  random_ = reinterpret_cast<random_state*>(address);
  counts_ = reinterpret_cast<live_counts*>(address + sizeof(random_state));
  address += aligned(sizeof(random_state) + sizeof(live_counts));
  seeds_ = reinterpret_cast<std::int64_t*>(address);
  address += aligned(static_cast<std::size_t>(core_->seed_count) * sizeof(std::int64_t));
  scratch_ = reinterpret_cast<std::byte*>(address);
  address += aligned(core_->scratch_bytes);
  promise_table_ = reinterpret_cast<promised*>(address);
  address += aligned(promise_capacity(*core_) * sizeof(promised));
}

void lane_layout::place(std::byte* arena) {
  auto address = reinterpret_cast<std::uintptr_t>(arena);
  place_fixed_part(address);
  table_ = reinterpret_cast<copy_job*>(address);
  address += aligned(jobs_.size() * sizeof(copy_job));
  for (copy_job& job : jobs_) {
    job.copy = reinterpret_cast<void*>(address);
    address += copy_bytes(job.columns, job.source.wide, core_->buckets.max_batch());
  }
  collect_promises();
}

std::vector<std::byte> lane_layout::tables() const {
  const std::size_t promises = aligned(promise_capacity(*core_) * sizeof(promised));
  std::vector<std::byte> bytes(promises + jobs_.size() * sizeof(copy_job));
  store_at<promised>(bytes.data(), promises_);
  store_at<copy_job>(bytes.data() + promises, jobs_);
  return bytes;
}

promised lane_layout::promised_of(std::size_t step) const {
  const step_traits& traits = steps_[step]->traits();
  const bound_tensors tensors = step_tensors(step, core_->buckets.max_batch());
  const auto copy = [&](operand_role role) {
    const std::size_t place = find_operand(traits.operands, role);
    return place < tensors.size() ? index_of(tensors[place]) : index_tensor{};
  };
  sequence_rule rule = traits.sequences;
  rule.rows = std::numeric_limits<std::int64_t>::max();  // nothing is promised of those
  rule.indices = copy(operand_role::source_slots);
  rule.dst_indices = copy(operand_role::destination_slots);
  rule.accepted = copy(operand_role::counts);
  rule.cu_seqlens = copy(operand_role::bounds);
  return {.rule = rule, .step = static_cast<std::int32_t>(step)};
}

/** Steps of the same promises have one entry; behind the last one the table stays empty, so that
 *  its size never changes. */
void lane_layout::collect_promises() {
  promises_.clear();
  for (std::size_t step = 0; step < promise_capacity(*core_); ++step) {
    if (!steps_[step]) continue;
    const promised entry = promised_of(step);
    const auto same = [&](const promised& other) { return entry.rule == other.rule; };
    if (std::ranges::none_of(promises_, same)) promises_.push_back(entry);
  }
  promises_.resize(promise_capacity(*core_));
}

promise_params lane_layout::promise_check() const noexcept {
  return {.counts = counts_,
          .entries = promise_table_,
          .entry_count = static_cast<std::int32_t>(promises_.size()),
          .broken = broken_};
}

prologue_params lane_layout::prologue(std::int32_t live, std::int32_t bucket) const noexcept {
  return {.random = random_,
          .seeds = seeds_,
          .seed_count = core_->seed_count,
          .counts = counts_,
          .jobs = table_,
          .job_count = static_cast<std::int32_t>(jobs_.size()),
          .bounds_job = bounds_job_,
          .live_source = nullptr,
          .live = live,
          .bucket = bucket};
}

prologue_params lane_layout::prologue(const std::int32_t* live_source,
                                      std::int32_t bucket) const noexcept {
  prologue_params params = prologue(bucket, bucket);
  params.live_source = live_source;
  return params;
}

bound_tensors lane_layout::step_tensors(std::size_t step, std::int32_t bucket) const {
  const step_traits& traits = steps_[step]->traits();
  bound_tensors tensors =
      first_sequences(traits.operands, traits.tensors, bucket, bucket * core_->rows_per_sequence);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (const int job = copies_[step][i]; job >= 0) {
      const void* const copy = jobs_[static_cast<std::size_t>(job)].copy;
      tensors[i] = padded_copy(traits.operands[i], traits.tensors[i], copy, bucket);
    }
    const std::int64_t seed = core_->steps[step].library()->seed;
    if (traits.operands[i].role == operand_role::seed && seed >= 0)
      tensors[i] = tensor_view{seeds_ + seed, dtype::int64, {1}};
  }
  return tensors;
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
      .rows = bucket * core_->max_seqlen,
      .live_sequences = &counts_->sequences,
      .live_rows = &counts_->rows,
      .state_batch_indices = copy(operand_role::source_slots),
      .dst_state_batch_indices = copy(operand_role::destination_slots),
      .num_accepted_tokens = copy(operand_role::counts),
      .cu_seqlens = copy(operand_role::bounds),
      .null_block_id = neighbour.sequences.null_block_id,
      .seeds = {seeds_ + custom.first_seed, static_cast<std::size_t>(custom.options.seeds)},
      .scratch = {scratch_, custom.options.scratch_bytes},
  };
}

}  // namespace ssugraph::detail
