#include "graphs/lane_layout.hpp"

#include "lib/ssu/tensors.hpp"
#include "lib/ssu/validate.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

std::size_t find_step(const pipeline_core& core, const std::string& name) {
  const auto found = std::ranges::find(core.steps, name, &pipeline_step::name);
  if (found == core.steps.end()) {
    throw invalid_argument{"bindings", "the name of a step", "'" + name + "'"};
  }
  return static_cast<std::size_t>(found - core.steps.begin());
}

ssu_problem validated(const pipeline_core& core, const pipeline_step& step, const ssu_args& args) {
  try {
    return validate(args, core.config).problem;
  } catch (const invalid_argument& error) {
    throw invalid_argument{step.name + "." + error.argument(), error.expected(), error.came()};
  }
}

/** The field that `bound` names. rand_seed, the last one, is not the user's to bind. */
const tensor_field& find_field(const binding& bound) {
  const auto place = static_cast<std::size_t>(bound.tensor);
  if (place + 1 < tensor_fields.size()) return tensor_fields[place];
  throw invalid_argument{"bindings", "a tensor of ssu_tensor", std::to_string(place)};
}

/** The step must still run by the plans that were resolved for it. */
void check_rebound(const pipeline_core& core, const pipeline_step& step, const ssu_args& args) {
  const ssu_problem rebound = validated(core, step, args);
  if (rebound.device != step.problem.device) {
    throw invalid_argument{step.name, "tensors on the device that the pipeline was built for",
                           "tensors elsewhere"};
  }
  for (const step_plan& planned : step.plans) {
    try {
      static_cast<void>(
          resolve(*planned.backend, rebound, planned.plan.sequences, planned.plan.algorithm));
    } catch (const unsupported& error) {
      throw invalid_argument{step.name,
                             "tensors that algorithm " + planned.plan.algorithm + " of " +
                                 planned.plan.backend + " can take",
                             error.refusals().front().reason};
    }
  }
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + lane_layout::alignment - 1) / lane_layout::alignment * lane_layout::alignment;
}

std::size_t copy_bytes(const copy_job& job, std::int64_t max_batch) {
  const std::int64_t entries = (max_batch + 1) * job.columns * (job.wide ? 8 : 4);
  return aligned(static_cast<std::size_t>(entries));
}

bool same_copy(const copy_job& a, const copy_job& b) {
  return a.source == b.source && std::ranges::equal(a.stride, b.stride) && a.columns == b.columns &&
         a.null_block_id == b.null_block_id && a.pad == b.pad && a.wide == b.wide;
}

}  // namespace

std::vector<ssu_args> bound_arguments(const pipeline_core& core,
                                      std::span<const binding> bindings) {
  std::vector<ssu_args> arguments;
  for (const pipeline_step& step : core.steps)
    arguments.push_back(step.args);
  std::vector<bool> rebound(arguments.size(), false);
  for (const binding& bound : bindings) {
    const std::size_t step = find_step(core, bound.step);
    const tensor_field& field = find_field(bound);
    tensor_view& tensor = arguments[step].*field.member;
    if (!tensor) {
      throw invalid_argument{bound.step + "." + std::string{field.name},
                             "a tensor that the step binds", "an unbound one"};
    }
    tensor = tensor.at(bound.data);
    rebound[step] = true;
  }
  for (std::size_t step = 0; step < arguments.size(); ++step) {
    if (rebound[step]) check_rebound(core, core.steps[step], arguments[step]);
  }
  return arguments;
}

lane_layout::lane_layout(const pipeline_core& core, std::vector<ssu_args> arguments)
    : core_{core}, arguments_{std::move(arguments)} {
  for (const ssu_args& args : arguments_)
    copies_.push_back(copies_of(args));
  bytes_ = aligned(sizeof(random_state) + sizeof(live_counts)) +
           aligned(static_cast<std::size_t>(core.seed_count) * sizeof(std::int64_t)) +
           aligned(jobs_.size() * sizeof(copy_job));
  for (const copy_job& job : jobs_)
    bytes_ += copy_bytes(job, core.buckets.max_batch());
}

lane_layout::step_copies lane_layout::copies_of(const ssu_args& args) {
  const auto copy = [&](const tensor_view& source, padding pad) {
    return source ? copy_of(source, pad, args.null_block_id) : -1;
  };
  step_copies copies;
  copies.indices = args.state_batch_indices ? copy(args.state_batch_indices, padding::null_slots)
                                            : copy_of({}, padding::identity, -1);
  copies.dst_indices = copy(args.dst_state_batch_indices, padding::null_slots);
  copies.accepted = copy(args.num_accepted_tokens, padding::one_token);
  copies.cu_seqlens = copy(args.cu_seqlens, padding::last_bound);
  return copies;
}

int lane_layout::copy_of(const tensor_view& source, padding pad, std::int64_t null_block_id) {
  const bool wide = source && source.dtype() == dtype::int64;
  // Cut to 32 bits, a null id that does not fit could name a live slot; -1 never does.
  const bool fits = wide || std::in_range<std::int32_t>(null_block_id);
  const copy_job job{
      .source = source.data(),
      .copy = nullptr,
      .stride = {source.stride(0), source.stride(1)},
      .columns = source.rank() == 2 ? source.extent(1) : 1,
      .null_block_id = pad == padding::null_slots && fits ? null_block_id : -1,
      .pad = pad,
      .wide = wide,
  };
  const auto found =
      std::ranges::find_if(jobs_, [&](const copy_job& other) { return same_copy(job, other); });
  if (found != jobs_.end()) return static_cast<int>(found - jobs_.begin());
  jobs_.push_back(job);
  return static_cast<int>(jobs_.size()) - 1;
}

void lane_layout::place(std::byte* arena) {
  random_ = reinterpret_cast<random_state*>(arena);
  counts_ = reinterpret_cast<live_counts*>(random_ + 1);
  arena += aligned(sizeof(random_state) + sizeof(live_counts));
  seeds_ = reinterpret_cast<std::int64_t*>(arena);
  arena += aligned(static_cast<std::size_t>(core_.seed_count) * sizeof(std::int64_t));
  table_ = reinterpret_cast<copy_job*>(arena);
  arena += aligned(jobs_.size() * sizeof(copy_job));
  for (copy_job& job : jobs_) {
    job.copy = arena;
    arena += copy_bytes(job, core_.buckets.max_batch());
  }
}

prologue_params lane_layout::prologue(std::int32_t live, std::int32_t bucket) const noexcept {
  return {.random = random_,
          .seeds = seeds_,
          .seed_count = core_.seed_count,
          .counts = counts_,
          .jobs = table_,
          .job_count = static_cast<std::int32_t>(jobs_.size()),
          .bounds_job = copies_.front().cu_seqlens,
          .live = live,
          .bucket = bucket};
}

tensor_view lane_layout::padded(int job, std::int64_t rows) const {
  if (job < 0) return {};
  const copy_job& copy = jobs_[static_cast<std::size_t>(job)];
  const dtype type = copy.wide ? dtype::int64 : dtype::int32;
  const bool matrix = copy.pad == padding::null_slots;
  return matrix ? tensor_view{copy.copy, type, {rows, copy.columns}}
                : tensor_view{copy.copy, type, {rows}};
}

ssu_args lane_layout::step_arguments(std::size_t step, std::int32_t bucket) const {
  const step_copies& copies = copies_[step];
  ssu_args args = first_sequences(arguments_[step], bucket, core_.rows_per_sequence);
  if (!args.state_batch_indices) args.null_block_id = -1;
  args.state_batch_indices = padded(copies.indices, bucket);
  args.dst_state_batch_indices = padded(copies.dst_indices, bucket);
  args.num_accepted_tokens = padded(copies.accepted, bucket);
  args.cu_seqlens = padded(copies.cu_seqlens, bucket + 1);
  if (const std::int64_t seed = core_.steps[step].seed; seed >= 0) {
    args.rand_seed = tensor_view{seeds_ + seed, dtype::int64, {1}};
  }
  return args;
}

std::vector<lane_tensor> lane_layout::row_tensors() const {
  std::vector<lane_tensor> tensors;
  for (std::size_t step = 0; step < arguments_.size(); ++step) {
    for (const tensor_field& field : tensor_fields) {
      const tensor_view& view = arguments_[step].*field.member;
      if (!view || field.leading != leading_axis::rows) continue;
      tensors.push_back(
          {core_.steps[step].name + "." + std::string{field.name}, view, field.name == "out"});
    }
  }
  return tensors;
}

}  // namespace ssugraph::detail
