#include "graphs/bucket_planner.hpp"
#include "graphs/lane_layout.hpp"
#include "graphs/pipeline_core.hpp"
#include "lib/core/device.hpp"
#include "lib/core/log.hpp"
#include "lib/ssu/backends.hpp"
#include "lib/ssu/validate.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/pipeline.hpp>

#include <algorithm>
#include <utility>
#if SSUGRAPH_CUDA
#include "graphs/prologue_kernel.hpp"
#include "graphs/promises_kernel.hpp"
#include "lib/core/cuda_handle.hpp"
#endif

namespace ssugraph {
namespace {

const char* const host_backend = "reference";

std::shared_ptr<const mamba_ssu_backend> backend_of(const mamba_config& config, target where) {
  if (where == target::host) return detail::find_backend(host_backend);
  auto backend = detail::find_backend(config.backend);
  if (config.backend == host_backend) {
    throw invalid_argument{"backend", "one that runs on CUDA (or target::host)", config.backend};
  }
  if (!has_cuda_device()) {
    throw unsupported{{{config.backend, "no CUDA device here; ask for target::host by name"}}};
  }
  return backend;
}

/** The algorithm is the CUDA backend's; the host has one. */
std::string algorithm_of(const mamba_config& config, target where) {
  return where == target::host ? "auto" : config.algorithm;
}

std::int64_t max_seqlen_of(const ssu_args& args) {
  const tensor_view& indices = args.state_batch_indices;
  switch (detail::mode_of(args)) {
    case ssu_mode::plain:
      return 1;
    case ssu_mode::varlen:
      return args.max_seqlen;
    case ssu_mode::speculative:
      return indices && indices.rank() == 2 ? indices.extent(1) : 1;
  }
  return 1;
}

void check_seed_and_length(const ssu_args& args) {
  if (args.rand_seed) {
    throw invalid_argument{"rand_seed", "nothing, for a pipeline draws its own seeds",
                           to_string(args.rand_seed)};
  }
  if (detail::mode_of(args) == ssu_mode::varlen && args.max_seqlen < 1) {
    throw invalid_argument{"max_seqlen", "at least 1 for varlen steps",
                           std::to_string(args.max_seqlen)};
  }
}

void check_target(const ssu_problem& problem, target where) {
  if (problem.device.is_host() == (where == target::host)) return;
  throw invalid_argument{"state", where == target::host ? "host memory" : "memory of a CUDA device",
                         detail::describe_memory(problem.device)};
}

void check_same_pipeline(const ssu_problem& first, const ssu_problem& problem) {
  const auto describe = [](const ssu_problem& p) {
    return to_string(p.mode) + (p.has_cu_seqlens ? " by cu_seqlens" : "") +
           " of T = " + std::to_string(p.max_seqlen) + " in " + detail::describe_memory(p.device);
  };
  if (first.mode == problem.mode && first.max_seqlen == problem.max_seqlen &&
      first.has_cu_seqlens == problem.has_cu_seqlens && first.device == problem.device) {
    return;
  }
  throw invalid_argument{"state", "the mode, T and device of the first step: " + describe(first),
                         describe(problem)};
}

void check_graph_budget(const recording_options& recording, const bucket_policy& buckets) {
  const std::size_t graphs = buckets.buckets().size();
  if (recording.lazy || recording.max_graphs == 0 || graphs <= recording.max_graphs) return;
  throw invalid_argument{
      "max_graphs",
      "at least " + std::to_string(graphs) + ", one a bucket (or fewer buckets, or lazy recording)",
      std::to_string(recording.max_graphs)};
}

/** Custom steps see the padded copies of the next SSU step; behind the last one, of that. */
void link_neighbours(detail::pipeline_core& core) {
  const auto is_ssu = [](const auto& step) { return step.ssu() != nullptr; };
  const auto last = std::ranges::find_if(core.steps.rbegin(), core.steps.rend(), is_ssu);
  auto neighbour = static_cast<std::size_t>(core.steps.rend() - last) - 1;
  for (std::size_t step = core.steps.size(); step-- > 0;) {
    if (is_ssu(core.steps[step])) {
      neighbour = step;
    } else {
      std::get<detail::custom_step>(core.steps[step].what).neighbour = neighbour;
    }
  }
  core.first_ssu = neighbour;
}

}  // namespace

pipeline_builder::pipeline_builder(mamba_config config, bucket_policy buckets, target where)
    : config_{std::move(config)}, buckets_{std::move(buckets)}, where_{where} {
  detail::validate(config_);
  backend_ = backend_of(config_, where_);
}

void pipeline_builder::check_name(const std::string& name) const {
  if (name.empty()) throw invalid_argument{"name", "a name", "''"};
  if (std::ranges::find(steps_, name, &named_step::name) != steps_.end()) {
    throw invalid_argument{"name", "one that no step has yet", "'" + name + "'"};
  }
}

const pipeline_builder::ssu_layer* pipeline_builder::first_layer() const noexcept {
  for (const named_step& step : steps_) {
    if (const auto* layer = std::get_if<ssu_layer>(&step.what)) return layer;
  }
  return nullptr;
}

pipeline_builder& pipeline_builder::ssu(std::string name, const ssu_args& args,
                                        ssu_options options) {
  check_name(name);
  try {
    ssu_layer layer = checked_layer(args, options);
    steps_.push_back({std::move(name), std::move(layer)});
  } catch (const invalid_argument& error) {
    throw invalid_argument{name + "." + error.argument(), error.expected(), error.came()};
  }
  return *this;
}

pipeline_builder::ssu_layer pipeline_builder::checked_layer(const ssu_args& args,
                                                            ssu_options options) const {
  check_seed_and_length(args);
  ssu_args cut = detail::first_sequences(args, buckets_.max_batch(), max_seqlen_of(args));
  if (!cut.cu_seqlens) cut = detail::first_sequences(cut, buckets_.max_batch(), 1);
  detail::ssu_call call = detail::validate(cut, config_);
  check_target(call.problem, where_);
  if (first_layer() != nullptr) check_same_pipeline(first_layer()->problem, call.problem);
  for (const named_step& step : steps_) {
    const auto* layer = std::get_if<ssu_layer>(&step.what);
    if (layer != nullptr && !options.shares_state)
      detail::check_own_state(call.args.state, layer->args.state, step.name);
  }
  static_cast<void>(detail::resolve(*backend_, call.problem, buckets_.max_batch(),
                                    algorithm_of(config_, where_)));
  return {call.args, std::move(call.problem), options};
}

pipeline_builder& pipeline_builder::step(std::string name, step_function enqueue,
                                         step_options options) {
  check_name(name);
  if (!enqueue) throw invalid_argument{name, "a callable", "an empty function"};
  if (options.seeds < 0) {
    throw invalid_argument{name + ".seeds", "0 or more", std::to_string(options.seeds)};
  }
  if (options.triggers_early && !options.writes) {
    throw invalid_argument{name + ".triggers_early", "what the step writes beside it",
                           "no `writes`"};
  }
  steps_.push_back({std::move(name), custom{std::move(enqueue), std::move(options)}});
  return *this;
}

pipeline_builder& pipeline_builder::programmatic_dependent_launch(bool enabled) noexcept {
  pdl_ = enabled;
  return *this;
}

pipeline_builder& pipeline_builder::tuning(tuning_options options) {
  if (!(options.scratch_fraction > 0.0 && options.scratch_fraction <= 1.0)) {
    throw invalid_argument{"scratch_fraction", "above 0, at most 1",
                           std::to_string(options.scratch_fraction)};
  }
  tuning_ = std::move(options);
  return *this;
}

pipeline_builder& pipeline_builder::recording(recording_options options) noexcept {
  recording_ = options;
  return *this;
}

pipeline pipeline_builder::build() const {
  const ssu_layer* first = first_layer();
  if (first == nullptr) {
    throw invalid_state{"the pipeline builder", "has no SSU step", "call ssu(name, args)"};
  }
  check_graph_budget(recording_, buckets_);
  const detail::nvtx_range range{detail::nvtx_category::build, detail::nvtx_name{"build"},
                                 static_cast<std::int64_t>(steps_.size())};
  auto core = std::make_shared<detail::pipeline_core>(config_, buckets_);
  core->where = where_;
  core->device = first->problem.device;
  core->programmatic_dependent_launch = pdl_;
  core->recording = recording_;
  core->checked = recording_.checked.value_or(SSUGRAPH_CHECKED);
  core->max_seqlen = first->problem.max_seqlen;
  core->rows_per_sequence = first->args.cu_seqlens ? first->problem.max_seqlen : 1;
#if SSUGRAPH_CUDA
  if (where_ == target::cuda) {
    const detail::device_guard guard{core->device.ordinal};
    detail::load_prologue();
    if (core->checked) detail::load_promises();
  }
#endif
  const auto are_ssu = [](const named_step& a, const named_step& b) {
    return std::holds_alternative<ssu_layer>(a.what) && std::holds_alternative<ssu_layer>(b.what);
  };
  const bool back_to_back = std::ranges::adjacent_find(steps_, are_ssu) != steps_.end();
  detail::bucket_planner planner{*backend_, algorithm_of(config_, where_), buckets_, back_to_back,
                                 tuning_};
  for (const named_step& step : steps_) {
    if (const auto* layer = std::get_if<ssu_layer>(&step.what)) {
      detail::ssu_step resolved{layer->args, layer->problem, layer->options, {}, -1};
      for (ssu_plan& plan : planner.plans(layer->args, layer->problem)) {
        resolved.plans.push_back(detail::executable(std::move(plan)));
      }
      if (layer->problem.stochastic_rounding) resolved.seed = core->seed_count++;
      core->steps.push_back({step.name, std::move(resolved)});
    } else {
      const auto& [enqueue, options] = std::get<custom>(step.what);
      core->steps.push_back(
          {step.name, detail::custom_step{enqueue, options, core->seed_count, 0}});
      core->seed_count += options.seeds;
      core->scratch_bytes = std::max(core->scratch_bytes, options.scratch_bytes);
    }
  }
  link_neighbours(*core);
  detail::log_line("pipeline of " + std::to_string(steps_.size()) + " steps, " +
                   std::to_string(buckets_.buckets().size()) + " buckets on " +
                   detail::describe(config_) + planner.summary());
  return pipeline{std::move(core)};
}

}  // namespace ssugraph
