#include "graphs/builder.hpp"

#include "graphs/layout/bindings.hpp"
#include "graphs/plan/bucket_planner.hpp"
#include "lib/core/device.hpp"
#include "lib/core/log.hpp"
#include "lib/core/reach.hpp"
#include "lib/ops/ssu/problem/validate.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>
#if SSUGRAPH_CUDA
#include "graphs/lane/parked.hpp"
#include "graphs/record/prologue_kernel.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/step/promises_kernel.hpp"
#endif

namespace ssugraph::detail {
namespace {

void check_target(const step_traits& step, target where) {
  if (step.device.is_host() == (where == target::host)) return;
  const std::size_t state = find_operand(step.operands, operand_role::state);
  const operand& any = step.operands[state < step.operands.size() ? state : 0];
  throw invalid_argument{std::string{any.name},
                         where == target::host ? "host memory" : "memory of a CUDA device",
                         describe_memory(step.device)};
}

std::string describe(const step_traits& step) {
  const sequence_rule& rule = step.sequences;
  const bool by_bounds = rule.cu_seqlens.data != nullptr;
  const char* const mode = stores_every_token(rule) ? "speculative"
                           : by_bounds              ? "varlen"
                                                    : "plain";
  return std::string{mode} + (by_bounds ? " by cu_seqlens" : "") +
         " of T = " + std::to_string(rule.max_seqlen) + " in " + describe_memory(step.device);
}

/** Whether the step has indices, and so sequences that it tells of. */
bool has_sequences(const step_traits& step) {
  return find_operand(step.operands, operand_role::source_slots) < step.operands.size();
}

bool is_library(const pipeline_step& step) {
  return step.library() != nullptr;
}

bool tells_sequences(const pipeline_step& step) {
  return is_library(step) && has_sequences(step.library()->checked->traits());
}

/** Whether both can be steps of one pipeline: the same mode, T and device. */
bool go_together(const step_traits& a, const step_traits& b) {
  if (a.device != b.device) return false;
  if (!has_sequences(a) || !has_sequences(b)) return true;
  const auto shape = [](const sequence_rule& rule) {
    return std::tuple{rule.max_seqlen, rule.cu_seqlens.data != nullptr, stores_every_token(rule)};
  };
  return shape(a.sequences) == shape(b.sequences);
}

/** Throws invalid_argument, by step and tensor, unless the largest bucket has all of its rows. */
void check_rows(const pipeline_step& step, const pipeline_core& core) {
  const step_traits& traits = step.library()->checked->traits();
  static_cast<void>(named_by(step.name, [&] {
    const std::int32_t sequences = core.buckets.max_batch();
    return first_sequences(traits.operands, traits.tensors, sequences, core.rows_of(sequences));
  }));
}

void check_graph_budget(const recording_options& recording, const bucket_policy& buckets) {
  const std::size_t graphs = buckets.buckets().size();
  if (recording.lazy || recording.max_graphs == 0 || graphs <= recording.max_graphs) return;
  throw invalid_argument{
      "max_graphs",
      "at least " + std::to_string(graphs) + ", one a bucket (or fewer buckets, or lazy recording)",
      std::to_string(recording.max_graphs)};
}

/** Custom steps see the padded copies of the next step that has any; behind the last one, of that.
 */
void link_neighbours(pipeline_core& core) {
  const auto last = std::ranges::find_if(core.steps.rbegin(), core.steps.rend(), tells_sequences);
  auto neighbour = static_cast<std::size_t>(core.steps.rend() - last) - 1;
  for (std::size_t step = core.steps.size(); step-- > 0;) {
    if (tells_sequences(core.steps[step])) {
      neighbour = step;
    } else if (auto* custom = std::get_if<custom_step>(&core.steps[step].what)) {
      custom->neighbour = neighbour;
    }
  }
  core.first_with_sequences = neighbour;
}

#if SSUGRAPH_CUDA
/** Plans for the whole device, lets go of pipelines that are over, and loads the kernels beside
 *  those of steps. */
void prepare_device(pipeline_core& core) {
  core.place = {.context = primary_context(core.device.ordinal)};
  const context_guard guard{core.place.context};
  const relaxed_capture relaxed;
  release_parked();
  load_prologue();
  if (core.checked) load_promises();
}
#endif

}  // namespace

pipeline_draft::pipeline_draft(mamba_config given_config, bucket_policy given_buckets,
                               target given_where, callers_last_error given_last_error)
    : config{std::move(given_config)},
      buckets{std::move(given_buckets)},
      where{given_where},
      last_error{given_last_error},
      ssu{setup_ssu(config, where == target::host, buckets.max_batch())} {}

void pipeline_draft::check_name(const std::string& name) const {
  if (name.empty()) throw invalid_argument{"name", "a name", "''"};
  if (std::ranges::find(steps, name, &pipeline_step::name) != steps.end() ||
      std::ranges::find(groups, name, &named_group::name) != groups.end()) {
    throw invalid_argument{"name", "one that no step or sequences have yet", "'" + name + "'"};
  }
}

void pipeline_draft::check_place(const checked_step& step) const {
  check_target(step.traits(), where);
  for (const pipeline_step& earlier : steps) {
    if (!is_library(earlier)) continue;
    const step_traits& its = earlier.library()->checked->traits();
    if (go_together(its, step.traits())) continue;
    throw invalid_argument{"state",
                           "the mode, T and device of '" + earlier.name + "': " + describe(its),
                           describe(step.traits())};
  }
}

void pipeline_draft::check_states(const checked_step& step, bool shares_state) const {
  for (const pipeline_step& earlier : steps) {
    if (is_library(earlier))
      check_state(step, shares_state, *earlier.library()->checked, earlier.name);
  }
}

void pipeline_draft::add(std::string name, bool shares_state,
                         const std::function<checked_pointer()>& check, std::string sequences) {
  check_name(name);
  const checked_pointer step = named_by(name, [&] {
    checked_pointer made = check();
    check_place(*made);
    check_states(*made, shares_state);
    static_cast<void>(made->plan(buckets.max_batch()));
    return made;
  });
  steps.push_back({std::move(name), library_step{step, shares_state, std::move(sequences)}});
}

void pipeline_draft::add(named_group group) {
  check_name(group.name);
  groups.push_back(std::move(group));
}

const named_group& pipeline_draft::group_called(const std::string& name) const {
  const auto found = std::ranges::find(groups, name, &named_group::name);
  if (found != groups.end()) return *found;
  throw invalid_argument{"sequences", "a name that builder.sequences was given", "'" + name + "'"};
}

void pipeline_draft::add(std::string name, custom_step step) {
  check_name(name);
  if (!step.enqueue) throw invalid_argument{name, "a callable", "an empty function"};
  if (step.options.seeds < 0) {
    throw invalid_argument{name + ".seeds", "0 or more", std::to_string(step.options.seeds)};
  }
  for (const byte_range& written : step.options.writes.value_or(std::vector<byte_range>{}))
    check_reach(name + ".writes", written);
  if (step.options.triggers_early && !step.options.writes) {
    throw invalid_argument{name + ".triggers_early", "what the step writes beside it",
                           "no `writes`"};
  }
  steps.push_back({std::move(name), std::move(step)});
}

std::shared_ptr<pipeline_core> pipeline_draft::resolve() const {
  const auto first = std::ranges::find_if(steps, tells_sequences);
  if (first == steps.end()) {
    throw invalid_state{"the pipeline builder", "has no step with sequences",
                        "call ssu(name, args)"};
  }
  check_graph_budget(recording, buckets);
  const nvtx_range range{nvtx_category::build, nvtx_name{"build"},
                         static_cast<std::int64_t>(steps.size())};
  const step_traits& traits = first->library()->checked->traits();
  auto core = std::make_shared<pipeline_core>(config, buckets);
  core->where = where;
  core->device = traits.device;
  core->programmatic_dependent_launch = programmatic_dependent_launch;
  core->tuning = tuning;
  core->last_error = last_error;
  core->recording = recording;
  core->checked = recording.checked.value_or(SSUGRAPH_CHECKED);
  core->max_seqlen = traits.sequences.max_seqlen;
  core->rows_per_sequence = rows_a_sequence(traits.sequences);
  core->row_budget = ssu.row_budget;
#if SSUGRAPH_CUDA
  if (where == target::cuda) prepare_device(*core);
#endif
  for (const pipeline_step& step : steps) {
    if (is_library(step)) check_rows(step, *core);
  }
  core->steps = steps;
  const std::string measured = plan_steps(*core);
  for (pipeline_step& step : core->steps) {
    if (auto* ours = std::get_if<library_step>(&step.what)) {
      const step_traits& its = ours->checked->traits();
      if (!its.draws_seed) continue;
      ours->seed = core->seed_count++;
      core->has_keyed_seeds = core->has_keyed_seeds || has_rounding_key(its);
    } else {
      auto& custom = std::get<custom_step>(step.what);
      custom.first_seed = core->seed_count;
      core->seed_count += custom.options.seeds;
      core->scratch_bytes = std::max(core->scratch_bytes, custom.options.scratch_bytes);
    }
  }
  link_neighbours(*core);
  mamba_config runs = config;  // on the host by another backend
  runs.backend = ssu.backend->name();
  runs.algorithm = ssu.algorithm;
  log_info("pipeline of " + std::to_string(steps.size()) + " steps, " +
           std::to_string(buckets.buckets().size()) + " buckets on " + describe(runs) + measured);
  return core;
}

}  // namespace ssugraph::detail
