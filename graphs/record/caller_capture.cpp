#include "graphs/record/caller_capture.hpp"

#include "graphs/record/node_checks.hpp"
#include "graphs/record/prologue_kernel.hpp"
#include "graphs/record/tool_report.hpp"
#include "lib/step/promises_kernel.hpp"

#include <ssugraph/error.hpp>

#include <array>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

/** Throws invalid_state unless the stream is being captured. */
capture_state open_capture_of(cudaStream_t stream) {
  capture_state here = state_of(stream);
  if (here.status == cudaStreamCaptureStatusNone) {
    throw invalid_state{"the stream", "is not being captured",
                        "begin a capture first, or call replay"};
  }
  if (here.status == cudaStreamCaptureStatusInvalidated) {
    throw invalid_state{"the capture of the stream", "was invalidated", "end it and begin another"};
  }
  return here;
}

memory_lookup in_memory_of(cudaGraph_t graph) {
  return [graph](const void* address) { return memory_of(graph, address); };
}

}  // namespace

launch_path& caller_capture::begin(const lane_layout& layout, std::size_t bucket_index,
                                   const std::int32_t* live, cudaStream_t stream) {
  if (live == nullptr) {
    throw invalid_argument{"live", "the address of a device int32", "null"};
  }
  const std::int32_t bucket = core_.buckets.buckets()[bucket_index];
  launch_path path{stream, open_capture_of(stream), core_.programmatic_dependent_launch};
  const auto add = [&](const kernel_launch& kernel, const char* name) {
    try {
      const std::array node{path.add(kernel)};
      report_to_tool(path.graph(), bucket, node, {.step = name});
    } catch (const ended_capture&) {
      throw_ended_capture(place_of(name, bucket));
    }
  };
  add(lower_prologue(layout.prologue(live, bucket)), "prologue");
  if (core_.checked) add(lower_promises(layout.promises(bucket)), "promises");
  bucket_index_ = bucket_index;
  recorded_.assign(core_.steps.size(), false);
  return path_.emplace(std::move(path));
}

void caller_capture::record_step(const lane_layout& layout, std::size_t step,
                                 std::span<const binding> bindings, cudaStream_t stream) {
  if (step >= core_.steps.size()) {
    throw invalid_argument{"step", "below " + std::to_string(core_.steps.size()),
                           std::to_string(step)};
  }
  const pipeline_step& what = core_.steps[step];
  const std::string name = "step '" + what.name + "'";
  capture_state here = open_capture_of(stream);
  if (!path_ || !path_->is_in(here)) {
    throw invalid_state{name, "has no prologue in this capture", "call record_prologue first"};
  }
  if (recorded_[step]) {
    throw invalid_state{name, "was recorded in this capture before",
                        "call record_prologue for another round"};
  }
  for (const binding& bound : bindings) {
    if (bound.step == what.name) continue;
    throw invalid_argument{"bindings", "tensors of " + name + ", which is recorded",
                           "one of '" + bound.step + "'"};
  }
  const bound_steps rows =
      bind_rows(core_, layout.steps(), bucket_index_, bindings, in_memory_of(here.graph));
  record_on(*path_, rows[step], layout, step, stream, std::move(here));
}

void caller_capture::record(const lane_layout& layout, std::size_t bucket_index,
                            const std::int32_t* live, std::span<const binding> bindings,
                            cudaStream_t stream) {
  const bound_steps rows = bind_rows(core_, layout.steps(), bucket_index, bindings,
                                     in_memory_of(open_capture_of(stream).graph));
  launch_path& path = begin(layout, bucket_index, live, stream);
  for (std::size_t step = 0; step < rows.size(); ++step)
    record_on(path, rows[step], layout, step, stream, open_capture_of(stream));
}

void caller_capture::record_on(launch_path& path, const checked_pointer& rows,
                               const lane_layout& layout, std::size_t step, cudaStream_t stream,
                               capture_state here) {
  const kept_last_error kept{core_.last_error};
  path.go_on(stream, std::move(here));
  const recorded_step recorded = add_to(path, layout, step, rows);
  if (tool_listens()) {
    report_to_tool(path.graph(), bucket(), recorded.nodes, owner_of(core_, step, bucket_index_));
  }
  recorded_[step] = true;
}

recorded_step caller_capture::add_to(launch_path& path, const lane_layout& layout, std::size_t step,
                                     const checked_pointer& rows) const {
  const pipeline_step& what = core_.steps[step];
  const library_step* const ours = what.library();
  recorded_step recorded;
  try {
    recorded =
        ours != nullptr
            ? path.add(ours->plans[bucket_index_],
                       layout.step_tensors(step, rows ? *rows : *layout.steps()[step], bucket()),
                       nullptr)
            : path.add(custom_launch{what.custom(), layout.context(step, bucket())});
  } catch (const cuda_error& error) {
    throw cuda_error{error, what.name, bucket()};
  } catch (const ended_capture&) {
    throw_ended_capture(place_of(what.name, bucket()));
  }
  if (!recorded.is_ours()) check_replayable(recorded.nodes, place_of(what.name, bucket()));
  return recorded;
}

}  // namespace ssugraph::detail
