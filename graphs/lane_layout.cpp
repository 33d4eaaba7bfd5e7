#include "graphs/lane_layout.hpp"

#include "lib/core/overlap.hpp"
#include "lib/ssu/tensors.hpp"
#include "lib/ssu/validate.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

std::size_t find_ssu_step(const pipeline_core& core, const std::string& name) {
  const auto found = std::ranges::find(core.steps, name, &pipeline_step::name);
  if (found == core.steps.end() || found->ssu() == nullptr) {
    throw invalid_argument{"bindings", "the name of an SSU step", "'" + name + "'"};
  }
  return static_cast<std::size_t>(found - core.steps.begin());
}

ssu_problem validated(const pipeline_core& core, const std::string& name, const ssu_args& args) {
  try {
    return validate(args, core.config).problem;
  } catch (const invalid_argument& error) {
    throw invalid_argument{name + "." + error.argument(), error.expected(), error.came()};
  }
}

/** The field that `bound` names. rand_seed, the last one, is not the user's to bind. */
const tensor_field& find_field(const binding& bound) {
  const auto place = static_cast<std::size_t>(bound.tensor);
  if (place + 1 < tensor_fields.size()) return tensor_fields[place];
  throw invalid_argument{"bindings", "a tensor of ssu_tensor", std::to_string(place)};
}

/** The step must still run by the plans that were resolved for it. */
void check_rebound(const pipeline_core& core, const std::string& name, const ssu_step& step,
                   const ssu_args& args) {
  const ssu_problem rebound = validated(core, name, args);
  if (rebound.device != step.problem.device) {
    throw invalid_argument{name, "tensors on the device that the pipeline was built for",
                           "tensors elsewhere"};
  }
  for (const step_plan& planned : step.plans) {
    try {
      static_cast<void>(
          resolve(*planned.backend, rebound, planned.plan.sequences, planned.plan.algorithm));
    } catch (const unsupported& error) {
      throw invalid_argument{name,
                             "tensors that algorithm " + planned.plan.algorithm + " of " +
                                 planned.plan.backend + " can take",
                             error.refusals().front().reason};
    }
  }
}

/** No two steps on one state, but where the later one was built to share. */
void check_states(const pipeline_core& core, const std::vector<ssu_args>& arguments) {
  for (std::size_t step = 0; step < arguments.size(); ++step) {
    const ssu_step* mine = core.steps[step].ssu();
    if (mine == nullptr || mine->options.shares_state) continue;
    for (std::size_t earlier = 0; earlier < step; ++earlier) {
      if (core.steps[earlier].ssu() == nullptr) continue;
      try {
        check_own_state(arguments[step].state, arguments[earlier].state, core.steps[earlier].name);
      } catch (const invalid_argument& error) {
        throw invalid_argument{core.steps[step].name + "." + error.argument(), error.expected(),
                               error.came()};
      }
    }
  }
}

template <class Value>
void store_at(std::byte* to, std::span<const Value> values) {
  if (!values.empty()) std::memcpy(to, values.data(), values.size_bytes());
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + lane_layout::alignment - 1) / lane_layout::alignment * lane_layout::alignment;
}

std::size_t copy_bytes(const copy_job& job, std::int64_t max_batch) {
  const std::int64_t entries = (max_batch + 1) * job.columns * (job.wide ? 8 : 4);
  return aligned(static_cast<std::size_t>(entries));
}

/** What the table and the copies take if no two steps share one. */
std::size_t most_copy_bytes(const pipeline_core& core) {
  std::size_t bytes = 0;
  std::size_t jobs = 0;
  for (const pipeline_step& step : core.steps) {
    if (step.ssu() == nullptr) continue;
    const ssu_args& args = step.ssu()->args;
    for (const tensor_view& source : {args.state_batch_indices, args.dst_state_batch_indices,
                                      args.num_accepted_tokens, args.cu_seqlens}) {
      copy_job job{};
      job.columns = source.rank() == 2 ? source.extent(1) : 1;
      job.wide = true;
      bytes += copy_bytes(job, core.buckets.max_batch());
      ++jobs;
    }
  }
  return bytes + aligned(jobs * sizeof(copy_job));
}

std::size_t promise_capacity(const pipeline_core& core) {
  return core.checked ? core.steps.size() : 0;
}

bool same_copy(const copy_job& a, const copy_job& b) {
  return a.source == b.source && std::ranges::equal(a.stride, b.stride) && a.columns == b.columns &&
         a.null_block_id == b.null_block_id && a.pad == b.pad && a.wide == b.wide;
}

}  // namespace

void check_own_state(const tensor_view& state, const tensor_view& other, const std::string& owner) {
  if (!may_overlap(state, other)) return;
  throw invalid_argument{"state", "one of its own (or ssu_options::shares_state)",
                         "overlap with the state of '" + owner + "'"};
}

std::vector<ssu_args> built_arguments(const pipeline_core& core) {
  std::vector<ssu_args> arguments;
  arguments.reserve(core.steps.size());
  for (const pipeline_step& step : core.steps)
    arguments.push_back(step.ssu() != nullptr ? step.ssu()->args : ssu_args{});
  return arguments;
}

std::vector<ssu_args> bound_arguments(const pipeline_core& core, std::vector<ssu_args> arguments,
                                      std::span<const binding> bindings) {
  std::set<std::pair<std::size_t, ssu_tensor>> bound_before;
  for (const binding& bound : bindings) {
    const std::size_t step = find_ssu_step(core, bound.step);
    const tensor_field& field = find_field(bound);
    tensor_view& tensor = arguments[step].*field.member;
    const std::string name = bound.step + "." + std::string{field.name};
    if (!tensor) throw invalid_argument{name, "a tensor that the step binds", "an unbound one"};
    if (!bound_before.insert({step, bound.tensor}).second) {
      throw invalid_argument{name, "one address", "two bindings"};
    }
    tensor = tensor.at(bound.data);
  }
  for (std::size_t step = 0; step < arguments.size(); ++step) {
    const bool rebound = std::ranges::any_of(
        bound_before, [step](const auto& bound) { return bound.first == step; });
    const pipeline_step& what = core.steps[step];
    if (rebound) check_rebound(core, what.name, *what.ssu(), arguments[step]);
  }
  if (!bindings.empty()) check_states(core, arguments);
  return arguments;
}

std::vector<lane_tensor> row_tensors(const pipeline_core& core,
                                     const std::vector<ssu_args>& arguments) {
  std::vector<lane_tensor> tensors;
  for (std::size_t step = 0; step < arguments.size(); ++step) {
    for (const tensor_field& field : tensor_fields) {
      const tensor_view& view = arguments[step].*field.member;
      if (!view || field.leading != leading_axis::rows) continue;
      tensors.push_back(
          {core.steps[step].name + "." + std::string{field.name}, view, field.name == "out"});
    }
  }
  return tensors;
}

lane_layout::lane_layout(const pipeline_core& core, std::vector<ssu_args> arguments) : core_{core} {
  rebind(std::move(arguments));
  std::uintptr_t end = 0;
  place_fixed_part(end);
  bytes_ = end + most_copy_bytes(core);
}

void lane_layout::rebind(std::vector<ssu_args> arguments) {
  arguments_ = std::move(arguments);
  jobs_.clear();
  copies_.assign(arguments_.size(), {});
  for (std::size_t step = 0; step < arguments_.size(); ++step) {
    if (core_.steps[step].ssu() != nullptr) copies_[step] = copies_of(arguments_[step]);
  }
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

/** An address, for there may be no memory yet. */
void lane_layout::place_fixed_part(std::uintptr_t& address) {
  random_ = reinterpret_cast<random_state*>(address);
  counts_ = reinterpret_cast<live_counts*>(address + sizeof(random_state));
  address += aligned(sizeof(random_state) + sizeof(live_counts));
  seeds_ = reinterpret_cast<std::int64_t*>(address);
  address += aligned(static_cast<std::size_t>(core_.seed_count) * sizeof(std::int64_t));
  scratch_ = reinterpret_cast<std::byte*>(address);
  address += aligned(core_.scratch_bytes);
  promise_table_ = reinterpret_cast<promised*>(address);
  address += aligned(promise_capacity(core_) * sizeof(promised));
}

void lane_layout::place(std::byte* arena) {
  auto address = reinterpret_cast<std::uintptr_t>(arena);
  place_fixed_part(address);
  table_ = reinterpret_cast<copy_job*>(address);
  address += aligned(jobs_.size() * sizeof(copy_job));
  for (copy_job& job : jobs_) {
    job.copy = reinterpret_cast<void*>(address);
    address += copy_bytes(job, core_.buckets.max_batch());
  }
  collect_promises();
}

std::vector<std::byte> lane_layout::tables() const {
  const std::size_t promises = aligned(promise_capacity(core_) * sizeof(promised));
  std::vector<std::byte> bytes(promises + jobs_.size() * sizeof(copy_job));
  store_at<promised>(bytes.data(), promises_);
  store_at<copy_job>(bytes.data() + promises, jobs_);
  return bytes;
}

promised lane_layout::promised_of(std::size_t step) const {
  const ssu_args args = step_arguments(step, core_.buckets.max_batch());
  const auto copy = [](const tensor_view& view) {
    return padded_copy{view.data(), view.rank() == 2 ? view.extent(1) : 1,
                       view && view.dtype() == dtype::int64};
  };
  return {.indices = copy(args.state_batch_indices),
          .dst_indices = copy(args.dst_state_batch_indices),
          .accepted = copy(args.num_accepted_tokens),
          .cu_seqlens = copy(args.cu_seqlens),
          .slots = args.state.extent(0),
          .null_block_id = args.null_block_id,
          .max_seqlen = core_.max_seqlen,
          .step = static_cast<std::int32_t>(step)};
}

/** Steps of the same promises have one entry; behind the last one the table stays empty, so that
 *  its size never changes. */
void lane_layout::collect_promises() {
  promises_.clear();
  for (std::size_t step = 0; step < promise_capacity(core_); ++step) {
    if (core_.steps[step].ssu() == nullptr) continue;
    const promised entry = promised_of(step);
    const auto same = [&](const promised& other) { return entry.same_promises(other); };
    if (std::ranges::none_of(promises_, same)) promises_.push_back(entry);
  }
  promises_.resize(promise_capacity(core_));
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
          .seed_count = core_.seed_count,
          .counts = counts_,
          .jobs = table_,
          .job_count = static_cast<std::int32_t>(jobs_.size()),
          .bounds_job = copies_[core_.first_ssu].cu_seqlens,
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
  if (const std::int64_t seed = core_.steps[step].ssu()->seed; seed >= 0) {
    args.rand_seed = tensor_view{seeds_ + seed, dtype::int64, {1}};
  }
  return args;
}

step_context lane_layout::context(std::size_t step, std::int32_t bucket) const {
  const custom_step& custom = *core_.steps[step].custom();
  const ssu_args neighbour = step_arguments(custom.neighbour, bucket);
  return {
      .bucket = bucket,
      .rows = bucket * core_.max_seqlen,
      .live_sequences = &counts_->sequences,
      .live_rows = &counts_->rows,
      .state_batch_indices = neighbour.state_batch_indices,
      .dst_state_batch_indices = neighbour.dst_state_batch_indices,
      .num_accepted_tokens = neighbour.num_accepted_tokens,
      .cu_seqlens = neighbour.cu_seqlens,
      .null_block_id = neighbour.null_block_id,
      .seeds = {seeds_ + custom.first_seed, static_cast<std::size_t>(custom.options.seeds)},
      .scratch = {scratch_, custom.options.scratch_bytes},
  };
}

}  // namespace ssugraph::detail
