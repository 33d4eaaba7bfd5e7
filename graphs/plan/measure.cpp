#include "graphs/plan/measure.hpp"

#include "graphs/core/median.hpp"
#include "graphs/core/nvtx.hpp"
#include "graphs/plan/rounds.hpp"
#include "graphs/record/capture.hpp"
#include "graphs/record/launch_path.hpp"
#include "graphs/record/node_checks.hpp"
#include "graphs/record/tool_report.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace ssugraph::detail {
namespace {

/** Launches a graph, to hide its own start. */
constexpr std::int64_t min_launches = 4;
/** Of memory, to know its rate. */
constexpr std::size_t copies = 5;
constexpr std::size_t most_copied_bytes = 512 << 20;

/** Tells a profiler what runs while a plan is measured. */
void report(cudaGraph_t graph, const planned_step& planned, const scratch_tensors& scratch) {
  node_owner owner =
      owner_of(planned, [&](std::int64_t sequences) { return scratch.rows_of(sequences); });
  owner.step = "tuning";
  report_to_tool(graph, static_cast<std::int32_t>(planned.sequences()), nodes_of(graph), owner);
}

}  // namespace

measuring_bench::measuring_bench(const checked_step& step, const stream_place& place,
                                 launch_manner manner, double fraction)
    : step_{step},
      place_{place},
      manner_{manner},
      guard_{place_.context},
      stream_{make_stream(place_)},
      stopwatch_{stream_.get()},
      scratch_{step.traits(), fraction, stream_.get()} {
  name_stream(stream_.get(), "ssugraph tuning");
  if (fits(1)) copied_bytes_a_us_ = measure_copy_rate();
}

double measuring_bench::measure_copy_rate() const {
  const std::span<std::byte> memory = scratch_.largest();
  const std::size_t half = std::min(memory.size() / 2, most_copied_bytes);
  std::vector<double> times(copies);
  for (double& time : times) {
    time = stopwatch_.time_us([&] {
      check_cuda(cudaMemcpyAsync(memory.data() + half, memory.data(), half,
                                 cudaMemcpyDeviceToDevice, stream_.get()),
                 "cudaMemcpyAsync within scratch");
    });
  }
  return 2.0 * static_cast<double>(half) / median(std::move(times));
}

std::int64_t measuring_bench::launches_of(std::int64_t sequences) const noexcept {
  return std::max(min_launches, scratch_.positions_of(sequences));
}

cuda_graph measuring_bench::record(const planned_pointer& planned, std::int64_t sequences) const {
  const bool programmatic = manner_ != launch_manner::in_turn;
  const planned_step* const next = manner_ == launch_manner::back_to_back ? planned.get() : nullptr;
  const std::int64_t launches = launches_of(sequences);
  for (int retry = 0;; ++retry) {
    launch_path path{stream_.get(), place_.part_context, programmatic};
    try {
      for (std::int64_t launch = 0; launch < launches; ++launch)
        path.add(planned, scratch_.of_launch(launch, sequences),
                 launch + 1 < launches ? next : nullptr);
      return std::move(path).take_graph();
    } catch (const spoiled_capture& spoiled) {
      if (retry == max_capture_retries) std::rethrow_exception(spoiled.cause);
    } catch (const ended_capture&) {
      const auto bucket = static_cast<std::int32_t>(sequences);
      throw_ended_capture(place_of(planned->choice().label(), bucket));
    }
  }
}

cuda_graph_exec measuring_bench::prepare(const plan_choice& candidate,
                                         std::int64_t sequences) const {
  const std::shared_ptr<planned_step> planned = step_.plan(sequences, candidate);
  planned->load();
  const cuda_graph graph = record(planned, sequences);
  if (tool_listens()) report(graph.get(), *planned, scratch_);
  cuda_graph_exec exec = instantiate(graph.get());
  check_cuda(cudaGraphUpload(exec.get(), stream_.get()), "cudaGraphUpload");
  return exec;
}

timing_table measuring_bench::measure(std::span<const plan_choice> candidates,
                                      std::int64_t sequences) {
  std::vector<cuda_graph_exec> graphs;
  const auto replay_us = [&](std::size_t i) {
    return stopwatch_.time_us(
        [&] { check_cuda(cudaGraphLaunch(graphs[i].get(), stream_.get()), "cudaGraphLaunch"); });
  };
  scratch_.share_rows(sequences);
  scratch_.spread_rings(sequences);
  for (const plan_choice& candidate : candidates) {
    graphs.push_back(prepare(candidate, sequences));
    static_cast<void>(replay_us(graphs.size() - 1));  // the first run warms up
  }
  const std::vector<double> medians_us = time_in_rounds(graphs.size(), replay_us);
  timing_table table;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double median_us = medians_us[i] / static_cast<double>(launches_of(sequences));
    const auto bytes =
        step_.plan(sequences, candidates[i])->bytes(sequences, scratch_.rows_of(sequences));
    const double limit_us = static_cast<double>(bytes) / copied_bytes_a_us_;
    table.push_back(
        {candidates[i].backend, candidates[i].algorithm, median_us, limit_us / median_us, {}});
  }
  return table;
}

}  // namespace ssugraph::detail
