#include "graphs/lane/bucket_executable.hpp"

#include "graphs/layout/footprint.hpp"
#include "graphs/record/lowering.hpp"
#include "graphs/record/prologue_kernel.hpp"
#include "lib/core/cuda_check.hpp"
#include "lib/core/kernel_launch.hpp"
#include "lib/step/promises_kernel.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <variant>

namespace ssugraph::detail {
namespace {

using build_clock = std::chrono::steady_clock;

double milliseconds_since(build_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(build_clock::now() - start).count();
}

}  // namespace

bucket_executable::bucket_executable(graph_recorder& recorder, const lane_layout& layout,
                                     std::size_t bucket_index)
    : part_{recorder.part()} {
  const build_clock::time_point start = build_clock::now();
  const std::int32_t bucket = layout.core().buckets.buckets()[bucket_index];
  recorded_ = recorder.record(layout, bucket_index, layout.prologue(bucket, bucket));
  build_ms_ = milliseconds_since(start);
}

void bucket_executable::instantiate(cudaStream_t stream) {
  const build_clock::time_point start = build_clock::now();
  exec_ = detail::instantiate(recorded_.graph.get());
  check_cuda(cudaGraphUpload(exec_.get(), stream), "cudaGraphUpload");
  live_ = recorded_.bucket;
  build_ms_ += milliseconds_since(start);
}

void bucket_executable::launch(const lane_layout& layout, std::int32_t live, cudaStream_t stream) {
  if (live_ != live) {
    update_prologue(exec_.get(), recorded_.prologue, layout.prologue(live, recorded_.bucket),
                    part_);
    live_ = live;
  }
  check_cuda(cudaGraphLaunch(exec_.get(), stream), "cudaGraphLaunch");
}

void bucket_executable::run_eager(const lane_layout& layout, std::int32_t live,
                                  cudaStream_t stream) const {
  const pipeline_core& core = layout.core();
  lower_prologue(layout.prologue(live, recorded_.bucket)).launch(stream);
  if (core.checked) lower_promises(layout.promises(recorded_.bucket)).launch(stream);
  for (std::size_t step = 0; step < core.steps.size(); ++step) {
    try {
      for (const step_launch& one : recorded_.steps[step].launches)
        detail::launch(one, stream);
    } catch (const cuda_error& error) {
      throw cuda_error{error, core.steps[step].name, recorded_.bucket};
    }
  }
}

std::size_t bucket_executable::estimated_bytes() const {
  return bytes_of_graph(nodes());
}

rebind_outcome bucket_executable::go_over(bucket_executable next, cudaStream_t stream) {
  live_ = -1;
  try {
    if (!std::ranges::all_of(next.recorded_.steps, &recorded_step::is_ours))
      return replace(std::move(next), stream);
    update_launches(next.recorded_);
    return rebind_outcome::updated;
  } catch (...) {
    exec_.reset();
    lost_ = true;
    throw;
  }
}

/** Of the executable and of the graph that it is of: those of library kernels that differ. */
void bucket_executable::update_launches(const bucket_graph& next) {
  for (std::size_t step = 0; step < recorded_.steps.size(); ++step) {
    recorded_step& now = recorded_.steps[step];
    for (std::size_t i = 0; i < now.launches.size(); ++i) {
      auto& launch = std::get<kernel_launch>(now.launches[i]);
      const auto& changed = std::get<kernel_launch>(next.steps[step].launches[i]);
      if (launch == changed) continue;
      changed.update(exec_.get(), now.nodes[i], part_);
      changed.update(now.nodes[i], part_);
      launch = changed;
    }
  }
}

/** By an update of the whole executable, or by another one. */
rebind_outcome bucket_executable::replace(bucket_executable next, cudaStream_t stream) {
  cudaGraphExecUpdateResultInfo info{};
  if (cudaGraphExecUpdate(exec_.get(), next.recorded_.graph.get(), &info) != cudaSuccess) {
    cudaGetLastError();
    next.instantiate(stream);
    *this = std::move(next);
    return rebind_outcome::instantiated;
  }
  for (std::size_t step = 0; step < recorded_.steps.size(); ++step) {
    recorded_step& now = recorded_.steps[step];
    now.launches = std::move(next.recorded_.steps[step].launches);
    for (std::size_t i = 0; now.is_ours() && i < now.launches.size(); ++i)
      std::get<kernel_launch>(now.launches[i]).update(now.nodes[i], part_);
  }
  return rebind_outcome::updated;
}

std::size_t bucket_executable::nodes() const {
  std::size_t nodes = recorded_.promises != nullptr ? 2 : 1;
  for (const recorded_step& step : recorded_.steps)
    nodes += step.nodes.size();
  return nodes;
}

bucket_stats bucket_executable::stats() const {
  return {.bucket = recorded_.bucket,
          .recorded = is_ready(),
          .nodes = is_ready() ? nodes() : 0,
          .build_ms = build_ms_,
          .estimated_bytes = is_ready() ? estimated_bytes() : 0};
}

void check_budget(const recording_options& budget, std::size_t bytes,
                  std::span<const bucket_executable> buckets, std::size_t index,
                  const bucket_executable& next) {
  std::size_t graphs = 1;
  bytes += next.estimated_bytes();
  for (std::size_t other = 0; other < buckets.size(); ++other) {
    if (other == index || !buckets[other].is_ready()) continue;
    ++graphs;
    bytes += buckets[other].estimated_bytes();
  }
  const std::string whose = " for " + std::to_string(graphs) + " of " +
                            std::to_string(buckets.size()) + " buckets (or fewer buckets or steps)";
  if (budget.max_graphs != 0 && graphs > budget.max_graphs) {
    throw invalid_argument{"max_graphs", "at least " + std::to_string(graphs) + whose,
                           std::to_string(budget.max_graphs)};
  }
  if (budget.max_bytes != 0 && bytes > budget.max_bytes) {
    throw invalid_argument{"max_bytes", "at least " + std::to_string(bytes) + whose,
                           std::to_string(budget.max_bytes)};
  }
}

}  // namespace ssugraph::detail
