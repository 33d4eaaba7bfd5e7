#include "graphs/measure.hpp"

#include "graphs/attribution.hpp"
#include "graphs/bucket_graph.hpp"
#include "graphs/capture.hpp"
#include "graphs/nvtx.hpp"
#include "lib/core/device.hpp"
#include "lib/ssu/tensors.hpp"
#include "lib/ssu/traffic.hpp"

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

dtype or_int32(std::optional<dtype> type) {
  return type.value_or(dtype::int32);
}

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

/** Tells a profiler what runs while a plan is measured. */
void report(cudaGraph_t graph, const ssu_plan& plan) {
  node_owner owner = owner_of(plan);
  owner.step = "tuning";
  std::vector<owned_node> nodes;
  for (const cudaGraphNode_t node : nodes_of(graph))
    nodes.push_back({node, owner});
  report_to_tool(graph, static_cast<std::int32_t>(plan.sequences), nodes);
}

std::string driver_version() {
  std::string version;
  if (std::ifstream{"/sys/module/nvidia/version"} >> version) return version;
  int cuda = 0;
  check_cuda(cudaDriverGetVersion(&cuda), "cudaDriverGetVersion");
  return "CUDA " + std::to_string(cuda);
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

}  // namespace

tuning_machine machine_of(device where) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, where.ordinal), "cudaGetDeviceProperties");
  return {properties.name, driver_version(), SSUGRAPH_VERSION};
}

measuring_bench::measuring_bench(const ssu_args& args, const ssu_problem& problem,
                                 bool back_to_back, double fraction)
    : problem_{problem},
      back_to_back_{back_to_back},
      guard_{problem.device.ordinal},
      stream_{make_stream()},
      begin_{make_timing_event()},
      end_{make_timing_event()} {
  name_stream(stream_.get(), "ssugraph tuning");
  int cache_bytes = 0;
  check_cuda(cudaDeviceGetAttribute(&cache_bytes, cudaDevAttrL2CacheSize, problem.device.ordinal),
             "cudaDeviceGetAttribute");
  rotation_.bytes_between_visits = caches_between_visits * cache_bytes;
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo");
  const auto budget = static_cast<std::size_t>(fraction * static_cast<double>(free_bytes));

  rotation_.slots_a_sequence = problem.mode == ssu_mode::speculative ? problem.max_seqlen : 1;
  rotation_.slot_bytes =
      std::max<std::int64_t>(std::abs(args.state.stride(0)) * size_of(problem.state_dtype), 1);
  most_sequences_ = args.x.extent(0) / (problem.has_cu_seqlens ? problem.max_seqlen : 1);
  while (most_sequences_ > 0 && bytes_for(args, most_sequences_) > budget)
    most_sequences_ /= 2;
  if (most_sequences_ == 0) return;
  memory_ =
      std::make_unique<stream_ordered_memory>(bytes_for(args, most_sequences_), stream_.get());
  scratch_ = placed(args, most_sequences_, memory_->data()).first;
  fill();
  copied_bytes_a_us_ = measure_copy_rate();
}

measuring_bench::~measuring_bench() {
  memory_.reset();
  if (cudaStreamSynchronize(stream_.get()) != cudaSuccess) cudaGetLastError();
}

std::pair<ssu_args, std::size_t> measuring_bench::placed(const ssu_args& args,
                                                         std::int64_t sequences,
                                                         std::byte* base) const {
  const std::int64_t length = problem_.has_cu_seqlens ? problem_.max_seqlen : 1;
  placer places{base};
  ssu_args scratch = args;
  scratch.state = places.place(args.state.with_extent(0, rotation_.slots_up_to(sequences)));
  for (const tensor_field& field : tensor_fields) {
    tensor_view& tensor = scratch.*field.member;
    if (!tensor || field.leading == leading_axis::slots) continue;
    if (field.leading == leading_axis::rows) {
      tensor = places.place(tensor.with_extent(0, sequences * length));
    } else if (field.leading == leading_axis::none) {
      tensor = places.place(tensor);
    }
  }
  const tensor_view indices{
      nullptr, or_int32(problem_.index_dtype), {sequences, rotation_.slots_a_sequence}};
  scratch.state_batch_indices = places.place(indices);
  if (problem_.has_dst_indices) {
    scratch.dst_state_batch_indices = places.place(tensor_view{
        nullptr, or_int32(problem_.dst_index_dtype), {sequences, rotation_.slots_a_sequence}});
  }
  if (problem_.accepted_dtype) {
    scratch.num_accepted_tokens =
        places.place(tensor_view{nullptr, *problem_.accepted_dtype, {sequences}});
  }
  if (problem_.cu_seqlens_dtype) {
    scratch.cu_seqlens =
        places.place(tensor_view{nullptr, *problem_.cu_seqlens_dtype, {sequences + 1}});
  }
  if (problem_.stochastic_rounding) {
    scratch.rand_seed = places.place(tensor_view{nullptr, dtype::int64, {1}});
  }
  if (!problem_.has_indices) scratch.null_block_id = -1;
  return {scratch, places.used()};
}

std::size_t measuring_bench::bytes_for(const ssu_args& args, std::int64_t sequences) const {
  return placed(args, sequences, nullptr).second;
}

/** Small floats of either sign, the same in every byte; A negative, so that the state decays. */
void measuring_bench::fill() {
  constexpr int small_positive = 0x3c;
  constexpr int small_negative = 0xbc;
  for (const tensor_field& field : tensor_fields) {
    const tensor_view& tensor = scratch_.*field.member;
    if (!tensor) continue;
    const auto [whole, before_first] = extent_of(tensor);
    check_cuda(
        cudaMemsetAsync(static_cast<std::byte*>(tensor.data()) - before_first,
                        field.name == "A" ? small_negative : small_positive, whole, stream_.get()),
        "cudaMemsetAsync of scratch");
  }
  std::vector<std::int64_t> slots(
      static_cast<std::size_t>(most_sequences_ * rotation_.slots_a_sequence));
  std::iota(slots.begin(), slots.end(), 0);
  for (std::int64_t& slot : slots)
    slot += slot >= scratch_.null_block_id && scratch_.null_block_id >= 0 ? 1 : 0;
  write_integers(scratch_.state_batch_indices, slots, stream_.get());
  if (scratch_.dst_state_batch_indices) {
    write_integers(scratch_.dst_state_batch_indices, slots, stream_.get());
  }
  const auto sequences = static_cast<std::size_t>(most_sequences_);
  if (scratch_.num_accepted_tokens) {
    write_integers(scratch_.num_accepted_tokens, std::vector<std::int64_t>(sequences, 1),
                   stream_.get());
  }
  if (!scratch_.cu_seqlens) return;
  std::vector<std::int64_t> bounds(sequences + 1);
  for (std::size_t i = 0; i < bounds.size(); ++i)
    bounds[i] = static_cast<std::int64_t>(i) * problem_.max_seqlen;
  write_integers(scratch_.cu_seqlens, bounds, stream_.get());
}

double measuring_bench::measure_copy_rate() {
  const auto [whole, before_first] = extent_of(scratch_.state);
  const std::int64_t half = std::min(static_cast<std::int64_t>(whole) / 2, most_copied_bytes);
  auto* from = static_cast<std::byte*>(scratch_.state.data()) - before_first;
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

ssu_args measuring_bench::arguments(std::int64_t sequences, std::int64_t launch) const {
  const std::int64_t slots = rotation_.slots_of(sequences);
  ssu_args args = scratch_;
  const std::int64_t first_slot = rotation_.first_slot(launch, sequences, args.state.extent(0));
  const std::int64_t offset = first_slot * args.state.stride(0) * size_of(args.state.dtype());
  args.state =
      args.state.at(static_cast<std::byte*>(args.state.data()) + offset).with_extent(0, slots);
  const std::int64_t rows = sequences * (problem_.has_cu_seqlens ? problem_.max_seqlen : 1);
  const std::int64_t first_row = launch % (args.x.extent(0) / rows) * rows;
  for (const tensor_field& field : tensor_fields) {
    tensor_view& tensor = args.*field.member;
    if (!tensor) continue;
    if (field.leading == leading_axis::rows) {
      // Of their own, too: what a launch reads must not be in the cache for the one before it.
      tensor = tensor.at(static_cast<std::byte*>(tensor.data()) +
                         first_row * tensor.stride(0) * size_of(tensor.dtype()));
      tensor = tensor.with_extent(0, rows);
    }
    if (field.leading == leading_axis::sequences) tensor = tensor.with_extent(0, sequences);
    if (field.leading == leading_axis::boundaries) tensor = tensor.with_extent(0, sequences + 1);
  }
  return args;
}

std::int64_t measuring_bench::launches_of(std::int64_t sequences) const noexcept {
  return std::max(min_launches, rotation_.positions_of(sequences));
}

cuda_graph measuring_bench::record(const std::vector<step_launch>& launches) const {
  for (int retry = 0;; ++retry) {
    cuda_graph graph = make_graph();
    std::vector<cudaGraphNode_t> frontier;
    try {
      for (const step_launch& step : launches)
        add_to(graph, frontier, step, stream_.get());
      return graph;
    } catch (const spoiled_capture& spoiled) {
      if (retry == max_capture_retries) std::rethrow_exception(spoiled.cause);
    }
  }
}

cuda_graph_exec measuring_bench::record(const ssu_plan& candidate, std::int64_t sequences) {
  const step_plan planned = executable(
      resolve(*find_backend(candidate.backend), problem_, sequences, candidate.algorithm));
  std::vector<chain_link> links;
  links.reserve(static_cast<std::size_t>(launches_of(sequences)));
  for (std::int64_t launch = 0; launch < launches_of(sequences); ++launch)
    links.push_back({&planned, arguments(sequences, launch)});
  const cuda_graph graph = record(lower_chain(links, back_to_back_));
  if (tool_listens()) report(graph.get(), planned.plan);
  cuda_graph_exec exec = instantiate(graph.get());
  check_cuda(cudaGraphUpload(exec.get(), stream_.get()), "cudaGraphUpload");
  return exec;
}

double measuring_bench::replay_us(cudaGraphExec_t exec, std::int64_t sequences) {
  const double whole =
      time_us([&] { check_cuda(cudaGraphLaunch(exec, stream_.get()), "cudaGraphLaunch"); });
  return whole / static_cast<double>(launches_of(sequences));
}

timing_table measuring_bench::measure(std::span<const ssu_plan> candidates,
                                      std::int64_t sequences) {
  std::vector<cuda_graph_exec> graphs;
  std::vector<std::vector<double>> times(candidates.size());
  double best = std::numeric_limits<double>::infinity();
  for (const ssu_plan& candidate : candidates) {
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
  const double limit_us =
      static_cast<double>(ssu_traffic(problem_, sequences)) / copied_bytes_a_us_;
  timing_table table;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double median_us = median(times[i]);
    table.push_back(
        {candidates[i].backend, candidates[i].algorithm, median_us, limit_us / median_us, {}});
  }
  return table;
}

}  // namespace ssugraph::detail
