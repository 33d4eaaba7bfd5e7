#include "graphs/layout/bindings.hpp"

#include "graphs/layout/own_state.hpp"
#include "graphs/layout/shared_cursors.hpp"
#include "lib/core/device.hpp"
#include "lib/step/operand.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace ssugraph::detail {
namespace {

std::string name_of(const binding& bound) {
  return bound.step + "." + bound.tensor;
}

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

/** The steps that `bound` is about: the one that it names, or those of the sequences. */
std::vector<std::size_t> steps_of(const pipeline_core& core, const binding& bound) {
  std::vector<std::size_t> named;
  for (std::size_t step = 0; step < core.steps.size(); ++step) {
    const library_step* ours = core.steps[step].library();
    const bool is_of_them = ours != nullptr && !ours->sequences.empty();
    if (is_of_them && ours->sequences == bound.step) named.push_back(step);
  }
  if (named.empty()) named.push_back(find_library_step(core, bound.step));
  return named;
}

/** Throws invalid_argument unless `what` of `step` is bound by whom it is of: the step, or the
 *  sequences that it shares. */
void check_owner(const pipeline_step& step, const operand& what, const binding& bound) {
  const std::string& sequences = step.library()->sequences;
  const bool is_shared = !sequences.empty() && what.tells_of_sequences();
  if (is_shared == (bound.step == sequences)) return;
  throw invalid_argument{name_of(bound),
                         is_shared ? "the name of its sequences, '" + sequences + "'"
                                   : "a tensor that tells of sequences",
                         is_shared ? "that of one step" : "one of a step's own"};
}

/** The tensors of the steps that `bindings` name, with what these replace. */
std::map<std::size_t, bound_tensors> replaced(const pipeline_core& core, const bound_steps& steps,
                                              std::span<const binding> bindings) {
  std::map<std::size_t, bound_tensors> changed;
  std::set<std::pair<std::size_t, std::size_t>> bound_before;
  for (const binding& bound : bindings) {
    for (const std::size_t step : steps_of(core, bound)) {
      const step_traits& traits = steps[step]->traits();
      const std::size_t place = find_bound_operand(traits, bound);
      check_owner(core.steps[step], traits.operands[place], bound);
      bound_tensors& tensors = changed.try_emplace(step, traits.tensors).first->second;
      if (!tensors[place])
        throw invalid_argument{name_of(bound), "a tensor that the step binds", "an unbound one"};
      if (!bound_before.insert({step, place}).second)
        throw invalid_argument{name_of(bound), "one address", "two bindings"};
      tensors[place] = tensors[place].at(bound.data);
    }
  }
  return changed;
}

/** Throws invalid_argument unless `now` can run by `planned`, a plan of `step`. */
void check_plan(const pipeline_step& step, const checked_step& now, const planned_step& planned) {
  const std::string reason = now.why_not(planned);
  if (reason.empty()) return;
  const auto [backend, algorithm] = planned.choice();
  throw invalid_argument{
      step.name, "tensors that algorithm " + algorithm + " of " + backend + " can take", reason};
}

/** `step` on other tensors; it must still run by the plans that were resolved for it. */
checked_pointer rebound(const pipeline_step& step, bound_tensors tensors) {
  const library_step& built = *step.library();
  checked_pointer now = named_by(step.name, [&] { return built.checked->on(std::move(tensors)); });
  if (now->traits().device != built.checked->traits().device) {
    throw invalid_argument{step.name, "tensors on the device that the pipeline was built for",
                           "tensors elsewhere"};
  }
  for (const planned_pointer& planned : built.plans)
    check_plan(step, *now, *planned);
  return now;
}

/** Throws invalid_argument unless `bound` is of rows, on the pipeline's device. */
void check_is_row_tensor(const pipeline_core& core, const binding& bound,
                         const memory_lookup& where_is) {
  const library_step& step = *core.steps[find_library_step(core, bound.step)].library();
  const step_traits& traits = step.checked->traits();
  if (traits.operands[find_bound_operand(traits, bound)].leading != first_axis::rows) {
    throw invalid_argument{name_of(bound),
                           "a row tensor, for no other can be bound while recording",
                           "a tensor that rebind takes"};
  }
  const device where = where_is(bound.data);
  if (where == core.device) return;
  throw invalid_argument{name_of(bound), describe_memory(core.device), describe_memory(where)};
}

/** What is bound to the operand called `name`; empty where there is none. */
tensor_view tensor_called(std::string_view name, const step_traits& step) {
  const std::size_t place = find_operand(step.operands, name);
  return place < step.operands.size() ? step.tensors[place] : tensor_view{};
}

/** What the step reads of what it keeps. */
cache_view cache_of(const step_traits& step) {
  return {.state = tensor_called("state", step),
          .state_scale = tensor_called("state_scale", step),
          .x_ring = tensor_called("x_ring", step),
          .B_ring = tensor_called("B_ring", step),
          .dt_ring = tensor_called("dt_ring", step),
          .ring_cursor = tensor_called("ring_cursor", step),
          .rounding_key = tensor_called("rounding_key", step)};
}

/** No two steps on one state or cursor, but where the later one was built to share. */
void check_states(const pipeline_core& core, const bound_steps& steps) {
  for (std::size_t step = 0; step < steps.size(); ++step) {
    if (!steps[step]) continue;
    const bool shares_state = core.steps[step].library()->shares_state;
    for (std::size_t earlier = 0; earlier < step; ++earlier) {
      if (!steps[earlier]) continue;
      named_by(core.steps[step].name, [&] {
        const std::string& owner = core.steps[earlier].name;
        check_still_shared(steps[step]->traits(), core.steps[step].library()->checked->traits(),
                           steps[earlier]->traits(),
                           core.steps[earlier].library()->checked->traits(), owner);
        check_state(*steps[step], shares_state, *steps[earlier], owner);
      });
    }
  }
}

/** Of one state there is one set of scales. */
void check_shared_state(const checked_step& mine, const checked_step& other,
                        const std::string& owner) {
  const cache_view my = cache_of(mine.traits());
  const cache_view its = cache_of(other.traits());
  if (!my.state || my.state != its.state || my.state_scale == its.state_scale) return;
  throw invalid_argument{"state_scale", "that of '" + owner + "', whose state this is",
                         to_string(my.state_scale)};
}

}  // namespace

void check_state(const checked_step& mine, bool shares_state, const checked_step& other,
                 const std::string& owner) {
  if (shares_state && mine.traits().ring) {
    throw invalid_argument{"shares_state", "false beside x_ring: a ring is of one state", "true"};
  }
  check_shared_cursor(mine.traits(), other.traits(), owner);
  const bool may_share = shares_state && !other.traits().ring;
  may_share ? check_shared_state(mine, other, owner)
            : check_own_state(mine.traits(), other.traits(), owner);
}

bound_steps built_steps(const pipeline_core& core) {
  bound_steps steps;
  steps.reserve(core.steps.size());
  for (const pipeline_step& step : core.steps)
    steps.push_back(step.library() != nullptr ? step.library()->checked : nullptr);
  return steps;
}

bound_steps bind(const pipeline_core& core, bound_steps steps, std::span<const binding> bindings) {
  for (auto& [step, tensors] : replaced(core, steps, bindings))
    steps[step] = rebound(core.steps[step], tensors);
  if (!bindings.empty()) check_states(core, steps);
  return steps;
}

bound_steps bind_rows(const pipeline_core& core, const bound_steps& steps, std::size_t bucket_index,
                      std::span<const binding> bindings, const memory_lookup& where_is) {
  const std::map<std::size_t, bound_tensors> changed = replaced(core, steps, bindings);
  for (const binding& bound : bindings)
    check_is_row_tensor(core, bound, where_is);
  const std::int32_t bucket = core.buckets.buckets()[bucket_index];
  bound_steps recorded(steps.size());
  for (const auto& entry : changed) {
    const pipeline_step& step = core.steps[entry.first];
    const checked_step& now = *steps[entry.first];
    checked_pointer& on_rows = recorded[entry.first];
    on_rows = named_by(step.name, [&] {
      return now.on(
          first_sequences(now.traits().operands, entry.second, bucket, core.rows_of(bucket)),
          core.device);
    });
    check_plan(step, *on_rows, *step.library()->plans[bucket_index]);
  }
  return recorded;
}

std::vector<cache_view> caches_of(const bound_steps& steps) {
  std::vector<cache_view> caches;
  for (const checked_pointer& step : steps) {
    if (!step) continue;
    const cache_view cache = cache_of(step->traits());
    const bool is_listed = std::ranges::find(caches, cache) != caches.end();
    if (cache.state && !is_listed) caches.push_back(cache);
  }
  return caches;
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

}  // namespace ssugraph::detail
