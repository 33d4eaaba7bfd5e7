#include "graphs/plan/measure.hpp"

#include "graphs/core/median.hpp"
#include "graphs/core/nvtx.hpp"
#include "graphs/record/capture.hpp"
#include "graphs/record/launch_path.hpp"
#include "graphs/record/tool_report.hpp"
#include "lib/core/device.hpp"
#include "lib/step/planned_step.hpp"

#include <ssugraph/tensor_layout.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

constexpr std::size_t alignment = 256;
/** Launches a graph, to hide its own start. */
constexpr std::int64_t min_launches = 4;
/** Bytes between two visits of a slot, in sizes of the L2 cache. */
constexpr std::int64_t caches_between_visits = 3;
/** Rounds end after so many, or once the fastest candidate has run for so long. */
constexpr int min_rounds = 5;
constexpr int max_rounds = 15;
constexpr double enough_us = 4000.0;
/** A candidate this much slower than the fastest after one round is not timed again. */
constexpr double hopeless = 1.2;
constexpr std::int64_t most_copied_bytes = 512 << 20;

std::size_t aligned(std::size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

/** Bytes from the lowest element of `tensor` to the end of its highest, and to its first. */
struct extent_in_bytes {
  std::size_t whole = 0;
  std::size_t before_first = 0;
};

extent_in_bytes extent_of(const tensor_view& tensor) {
  std::int64_t below = 0;
  std::int64_t above = 0;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    const std::int64_t reach = (tensor.extent(axis) - 1) * tensor.stride(axis);
    (reach < 0 ? below : above) += reach;
  }
  const std::int64_t size = size_of(tensor.dtype());
  return {static_cast<std::size_t>((above - below + 1) * size),
          static_cast<std::size_t>(-below * size)};
}

/** `tensor` as scratch has it, of whose first axis each launch takes a part: no part is aligned
 * less than a plan may rely on. The stride along one entry says nothing, and may be anything. */
tensor_view evenly_spaced(const tensor_view& tensor) {
  constexpr std::int64_t unit = tensor_layout::max_alignment;
  constexpr std::int64_t least = 16;  // nobody relies on less
  const std::int64_t size = size_of(tensor.dtype());
  const bool is_alone = tensor.extent(0) == 1;
  std::int64_t bytes = is_alone ? static_cast<std::int64_t>(extent_of(tensor).whole)
                                : std::abs(tensor.stride(0)) * size;
  if (!is_alone && bytes % least != 0) return tensor;
  bytes = (bytes + unit - 1) / unit * unit;
  std::vector<std::int64_t> strides(tensor.strides().begin(), tensor.strides().end());
  strides.front() = (tensor.stride(0) < 0 ? -bytes : bytes) / size;
  return {tensor.data(), tensor.dtype(), tensor.extents(), strides};
}

/** Hands out places of one allocation; first without memory, to learn how much it takes. */
class placer {
 public:
  explicit placer(std::byte* base) : base_{reinterpret_cast<std::uintptr_t>(base)} {}

  tensor_view place(const tensor_view& like) {
    const auto [whole, before_first] = extent_of(like);
    const auto* first = reinterpret_cast<const void*>(base_ + used_ + before_first);
    used_ += aligned(whole);
    return like.at(first);
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  std::uintptr_t base_;  // an address, for there may be no memory yet
  std::size_t used_ = 0;
};

void write_integers(const tensor_view& tensor, const std::vector<std::int64_t>& values,
                    cudaStream_t stream) {
  const auto copy = [&](const auto& typed) {
    check_cuda(cudaMemcpyAsync(tensor.data(), typed.data(), typed.size() * sizeof typed[0],
                               cudaMemcpyHostToDevice, stream),
               "cudaMemcpyAsync of scratch indices");
    check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize of scratch indices");
  };
  if (tensor.dtype() == dtype::int64) return copy(values);
  copy(std::vector<std::int32_t>(values.begin(), values.end()));
}

/** A tensor with its first axis from `first` on, `count` entries long. */
tensor_view part_of(const tensor_view& tensor, std::int64_t first, std::int64_t count) {
  const std::int64_t offset = first * tensor.stride(0) * size_of(tensor.dtype());
  return tensor.at(static_cast<std::byte*>(tensor.data()) + offset).with_extent(0, count);
}

/** Tells a profiler what runs while a plan is measured. */
void report(cudaGraph_t graph, const planned_step& planned) {
  node_owner owner = owner_of(planned);
  owner.step = "tuning";
  report_to_tool(graph, static_cast<std::int32_t>(planned.sequences()), nodes_of(graph), owner);
}

std::string driver_version() {
  std::string version;
  if (std::ifstream{"/sys/module/nvidia/version"} >> version) return version;
  int cuda = 0;
  check_cuda(cudaDriverGetVersion(&cuda), "cudaDriverGetVersion");
  return "CUDA " + std::to_string(cuda);
}

}  // namespace

tuning_machine machine_of(device where) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, where.ordinal), "cudaGetDeviceProperties");
  return {properties.name, driver_version(), SSUGRAPH_VERSION};
}

measuring_bench::measuring_bench(const checked_step& step, const stream_place& place,
                                 bool back_to_back, double fraction)
    : step_{step},
      traits_{step.traits()},
      place_{place},
      back_to_back_{back_to_back},
      guard_{place_.context},
      stream_{make_stream(place_)},
      begin_{make_timing_event()},
      end_{make_timing_event()} {
  name_stream(stream_.get(), "ssugraph tuning");
  int cache_bytes = 0;
  check_cuda(cudaDeviceGetAttribute(&cache_bytes, cudaDevAttrL2CacheSize, traits_.device.ordinal),
             "cudaDeviceGetAttribute");
  rotation_.bytes_between_visits = caches_between_visits * cache_bytes;
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo");
  const auto budget = static_cast<std::size_t>(fraction * static_cast<double>(free_bytes));

  const sequence_rule& rule = traits_.sequences;
  rotation_.slots_a_sequence = stores_every_token(rule) ? rule.max_seqlen : 1;
  rotation_.slot_bytes = 0;
  for (std::size_t i = 0; i < traits_.operands.size(); ++i) {
    if (traits_.operands[i].leading != first_axis::slots || !traits_.tensors[i]) continue;
    const tensor_view tensor = evenly_spaced(traits_.tensors[i]);
    rotation_.slot_bytes += std::abs(tensor.stride(0)) * size_of(tensor.dtype());
  }
  rotation_.slot_bytes = std::max<std::int64_t>(rotation_.slot_bytes, 1);
  most_sequences_ = rule.rows / rows_a_sequence(traits_.sequences);
  // Asked first, for slots may be so far apart that their bytes are no number.
  const auto most_slots = static_cast<std::int64_t>(budget) / rotation_.slot_bytes;
  const auto is_too_large = [&](std::int64_t sequences) {
    return sequences > most_slots / rotation_.slots_a_sequence || bytes_for(sequences) > budget;
  };
  while (most_sequences_ > 0 && is_too_large(most_sequences_))
    most_sequences_ /= 2;
  if (most_sequences_ == 0) return;
  memory_ = std::make_unique<stream_ordered_memory>(bytes_for(most_sequences_), stream_.get());
  scratch_ = placed(most_sequences_, memory_->data()).first;
  fill();
  copied_bytes_a_us_ = measure_copy_rate();
}

measuring_bench::~measuring_bench() {
  memory_.reset();
  if (cudaStreamSynchronize(stream_.get()) != cudaSuccess) cudaGetLastError();
}

std::pair<bound_tensors, std::size_t> measuring_bench::placed(std::int64_t sequences,
                                                              std::byte* base) const {
  placer places{base};
  bound_tensors scratch = as_launched(traits_, sequences);
  for (std::size_t i = 0; i < scratch.size(); ++i) {
    tensor_view& tensor = scratch[i];
    const operand& what = traits_.operands[i];
    if (!tensor) continue;
    if (what.leading == first_axis::slots || what.leading == first_axis::rows)
      tensor = evenly_spaced(tensor);
    if (what.role == operand_role::source_slots || what.role == operand_role::destination_slots)
      tensor = {nullptr, tensor.dtype(), {sequences, rotation_.slots_a_sequence}};
    const std::int64_t otherwise =
        what.leading == first_axis::slots ? rotation_.slots_up_to(sequences) : tensor.extent(0);
    const std::int64_t rows = sequences * rows_a_sequence(traits_.sequences);
    tensor = places.place(tensor.with_extent(0, entries_of(what, sequences, rows, otherwise)));
  }
  return {scratch, places.used()};
}

std::size_t measuring_bench::bytes_for(std::int64_t sequences) const {
  return placed(sequences, nullptr).second;
}

/** What index and count tensors of `most_sequences_` sequences hold; empty for other operands. */
std::vector<std::int64_t> measuring_bench::integers_of(operand_role role) const {
  const auto sequences = static_cast<std::size_t>(most_sequences_);
  std::vector<std::int64_t> values;
  switch (role) {
    case operand_role::source_slots:
    case operand_role::destination_slots: {
      const std::int64_t null_block = traits_.sequences.null_block_id;
      values.resize(sequences * static_cast<std::size_t>(rotation_.slots_a_sequence));
      std::iota(values.begin(), values.end(), 0);
      for (std::int64_t& slot : values)
        slot += slot >= null_block && null_block >= 0 ? 1 : 0;
      break;
    }
    case operand_role::counts:
      values.assign(sequences, 1);
      break;
    case operand_role::bounds:
      values.resize(sequences + 1);
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<std::int64_t>(i) * traits_.sequences.max_seqlen;
      break;
    case operand_role::data:
    case operand_role::state:
    case operand_role::seed:
      break;
  }
  return values;
}

void measuring_bench::fill() {
  for (std::size_t i = 0; i < scratch_.size(); ++i) {
    const tensor_view& tensor = scratch_[i];
    if (!tensor) continue;
    const auto [whole, before_first] = extent_of(tensor);
    check_cuda(cudaMemsetAsync(static_cast<std::byte*>(tensor.data()) - before_first,
                               traits_.operands[i].scratch_byte, whole, stream_.get()),
               "cudaMemsetAsync of scratch");
    const std::vector<std::int64_t> values = integers_of(traits_.operands[i].role);
    if (!values.empty()) write_integers(tensor, values, stream_.get());
  }
}

double measuring_bench::measure_copy_rate() {
  const auto bytes_of = [](const tensor_view& tensor) {
    return tensor ? extent_of(tensor).whole : 0;
  };
  const tensor_view& largest = *std::ranges::max_element(scratch_, {}, bytes_of);
  const auto [whole, before_first] = extent_of(largest);
  const std::int64_t half = std::min(static_cast<std::int64_t>(whole) / 2, most_copied_bytes);
  auto* from = static_cast<std::byte*>(largest.data()) - before_first;
  std::vector<double> times(min_rounds);
  for (double& time : times) {
    time = time_us([&] {
      check_cuda(cudaMemcpyAsync(from + half, from, static_cast<std::size_t>(half),
                                 cudaMemcpyDeviceToDevice, stream_.get()),
                 "cudaMemcpyAsync within scratch");
    });
  }
  return 2.0 * static_cast<double>(half) / median(std::move(times));
}

template <class Enqueue>
double measuring_bench::time_us(Enqueue enqueue) {
  check_cuda(cudaEventRecord(begin_.get(), stream_.get()), "cudaEventRecord");
  enqueue();
  check_cuda(cudaEventRecord(end_.get(), stream_.get()), "cudaEventRecord");
  check_cuda(cudaEventSynchronize(end_.get()), "cudaEventSynchronize of a measurement");
  float milliseconds = 0.0f;
  check_cuda(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()), "cudaEventElapsedTime");
  return 1000.0 * static_cast<double>(milliseconds);
}

bound_tensors measuring_bench::tensors_of(std::int64_t sequences, std::int64_t launch) const {
  const std::int64_t rows = sequences * rows_a_sequence(traits_.sequences);
  bound_tensors tensors = scratch_;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensor_view& tensor = tensors[i];
    if (!tensor) continue;
    switch (traits_.operands[i].leading) {
      case first_axis::slots:
        tensor = part_of(tensor, rotation_.first_slot(launch, sequences, tensor.extent(0)),
                         rotation_.slots_of(sequences));
        break;
      case first_axis::rows:
        // Of their own, too: what a launch reads must not be in the cache for the one before it.
        tensor = part_of(tensor, launch % (tensor.extent(0) / rows) * rows, rows);
        break;
      case first_axis::sequences:
        tensor = tensor.with_extent(0, sequences);
        break;
      case first_axis::boundaries:
        tensor = tensor.with_extent(0, sequences + 1);
        break;
      case first_axis::none:
        break;
    }
  }
  return tensors;
}

std::int64_t measuring_bench::launches_of(std::int64_t sequences) const noexcept {
  return std::max(min_launches, rotation_.positions_of(sequences));
}

cuda_graph measuring_bench::record(const planned_pointer& planned, std::int64_t sequences) const {
  const planned_step* const next = back_to_back_ ? planned.get() : nullptr;
  const std::int64_t launches = launches_of(sequences);
  for (int retry = 0;; ++retry) {
    constexpr bool programmatic = true;
    launch_path path{stream_.get(), place_.part_context, programmatic};
    try {
      for (std::int64_t launch = 0; launch < launches; ++launch)
        path.add(planned, tensors_of(sequences, launch), launch + 1 < launches ? next : nullptr);
      return std::move(path).take_graph();
    } catch (const spoiled_capture& spoiled) {
      if (retry == max_capture_retries) std::rethrow_exception(spoiled.cause);
    }
  }
}

cuda_graph_exec measuring_bench::record(const plan_choice& candidate, std::int64_t sequences) {
  const std::shared_ptr<planned_step> planned = step_.plan(sequences, candidate);
  planned->load();
  const cuda_graph graph = record(planned, sequences);
  if (tool_listens()) report(graph.get(), *planned);
  cuda_graph_exec exec = instantiate(graph.get());
  check_cuda(cudaGraphUpload(exec.get(), stream_.get()), "cudaGraphUpload");
  return exec;
}

double measuring_bench::replay_us(cudaGraphExec_t exec, std::int64_t sequences) {
  const double whole =
      time_us([&] { check_cuda(cudaGraphLaunch(exec, stream_.get()), "cudaGraphLaunch"); });
  return whole / static_cast<double>(launches_of(sequences));
}

timing_table measuring_bench::measure(std::span<const plan_choice> candidates,
                                      std::int64_t sequences) {
  std::vector<cuda_graph_exec> graphs;
  std::vector<std::vector<double>> times(candidates.size());
  double best = std::numeric_limits<double>::infinity();
  for (const plan_choice& candidate : candidates) {
    graphs.push_back(record(candidate, sequences));
    static_cast<void>(replay_us(graphs.back().get(), sequences));  // the first run warms up
  }
  // Round by round, so that a change of clocks meets every candidate.
  double fastest_ran_us = 0.0;
  for (int round = 0; round < max_rounds; ++round) {
    if (round >= min_rounds && fastest_ran_us > enough_us) break;
    if (round > 0) fastest_ran_us += best * static_cast<double>(launches_of(sequences));
    for (std::size_t i = 0; i < graphs.size(); ++i) {
      if (round > 0 && times[i].front() > hopeless * best) continue;
      times[i].push_back(replay_us(graphs[i].get(), sequences));
      best = std::min(best, times[i].back());
    }
  }
  timing_table table;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double median_us = median(times[i]);
    const auto bytes = step_.plan(sequences, candidates[i])->bytes(sequences);
    const double limit_us = static_cast<double>(bytes) / copied_bytes_a_us_;
    table.push_back(
        {candidates[i].backend, candidates[i].algorithm, median_us, limit_us / median_us, {}});
  }
  return table;
}

}  // namespace ssugraph::detail
