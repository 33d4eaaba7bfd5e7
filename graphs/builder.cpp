#include "graphs/bucket_planner.hpp"
#include "graphs/nvtx.hpp"
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

}  // namespace

pipeline_builder::pipeline_builder(mamba_config config, bucket_policy buckets, target where)
    : config_{std::move(config)}, buckets_{std::move(buckets)}, where_{where} {
  detail::validate(config_);
  backend_ = backend_of(config_, where_);
}

pipeline_builder& pipeline_builder::ssu(std::string name, const ssu_args& args) {
  if (name.empty()) throw invalid_argument{"name", "a name", "''"};
  if (std::ranges::find(steps_, name, &named_step::name) != steps_.end()) {
    throw invalid_argument{"name", "one that no step has yet", "'" + name + "'"};
  }
  try {
    steps_.push_back(checked_step(name, args));
  } catch (const invalid_argument& error) {
    throw invalid_argument{name + "." + error.argument(), error.expected(), error.came()};
  }
  return *this;
}

pipeline_builder::named_step pipeline_builder::checked_step(const std::string& name,
                                                            const ssu_args& args) const {
  check_seed_and_length(args);
  ssu_args cut = detail::first_sequences(args, buckets_.max_batch(), max_seqlen_of(args));
  if (!cut.cu_seqlens) cut = detail::first_sequences(cut, buckets_.max_batch(), 1);
  detail::ssu_call call = detail::validate(cut, config_);
  check_target(call.problem, where_);
  if (!steps_.empty()) check_same_pipeline(steps_.front().problem, call.problem);
  static_cast<void>(detail::resolve(*backend_, call.problem, buckets_.max_batch(),
                                    algorithm_of(config_, where_)));
  return {name, std::move(call.args), std::move(call.problem)};
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

pipeline pipeline_builder::build() const {
  if (steps_.empty()) {
    throw invalid_state{"the pipeline builder", "has no step", "call ssu(name, args)"};
  }
  const detail::nvtx_range range{"build", static_cast<std::int64_t>(steps_.size())};
  auto core = std::make_shared<detail::pipeline_core>(config_, buckets_);
  core->where = where_;
  core->device = steps_.front().problem.device;
  core->programmatic_dependent_launch = pdl_;
  core->rows_per_sequence = steps_.front().args.cu_seqlens ? steps_.front().problem.max_seqlen : 1;
#if SSUGRAPH_CUDA
  if (where_ == target::cuda) {
    const detail::device_guard guard{core->device.ordinal};
    detail::load_prologue();
  }
#endif
  detail::bucket_planner planner{*backend_, algorithm_of(config_, where_), buckets_, tuning_};
  for (const named_step& step : steps_) {
    detail::pipeline_step resolved{step.name, step.args, step.problem, {}, -1};
    for (ssu_plan& plan : planner.plans(step.args, step.problem)) {
      resolved.plans.push_back(detail::executable(std::move(plan)));
    }
    if (step.problem.stochastic_rounding) resolved.seed = core->seed_count++;
    core->steps.push_back(std::move(resolved));
  }
  detail::log_line("pipeline of " + std::to_string(steps_.size()) + " steps, " +
                   std::to_string(buckets_.buckets().size()) + " buckets on " +
                   detail::describe(config_) + planner.summary());
  return pipeline{std::move(core)};
}

}  // namespace ssugraph
