#include "graphs/record/caller_capture.hpp"

#include "graphs/record/bucket_graph.hpp"
#include "graphs/record/graph_recorder.hpp"
#include "graphs/record/node_checks.hpp"
#include "graphs/record/prologue_kernel.hpp"
#include "graphs/record/promises_kernel.hpp"
#include "graphs/record/tool_report.hpp"
#include "lib/core/cuda_check.hpp"

#include <ssugraph/error.hpp>

#include <string>
#include <utility>
#include <vector>

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

/** Makes what comes next wait for the end of all in front: our kernels only start early where they
 *  know what that is. */
void wait_in_full(const capture_state& here, cudaStream_t stream) {
  if (here.waits_in_full) return;
  std::vector<cudaGraphNode_t> nodes = here.frontier;
  check_cuda(cudaStreamUpdateCaptureDependencies(stream, nodes.data(), nullptr, nodes.size(),
                                                 cudaStreamSetCaptureDependencies),
             "cudaStreamUpdateCaptureDependencies");
}

/** Tells a profiler whose the kernel is that was captured last. */
void report_last(cudaStream_t stream, std::int32_t bucket, const node_owner& owner) {
  if (!tool_listens()) return;
  const capture_state here = state_of(stream);
  report_to_tool(here.graph, bucket, here.frontier, owner);
}

}  // namespace

void caller_capture::record_prologue(const lane_layout& layout, std::size_t bucket_index,
                                     const std::int32_t* live, cudaStream_t stream) {
  if (live == nullptr) {
    throw invalid_argument{"live", "the address of a device int32", "null"};
  }
  const capture_state here = open_capture_of(stream);
  wait_in_full(here, stream);
  const std::int32_t bucket = core_.buckets.buckets()[bucket_index];
  lower_prologue(layout.prologue(live, bucket)).launch(stream);
  report_last(stream, bucket, {.step = "prologue"});
  if (core_.checked) {
    lower_promises(layout.promise_check()).launch(stream);
    report_last(stream, bucket, {.step = "promises"});
  }
  id_ = here.id;
  bucket_index_ = bucket_index;
  recorded_.assign(core_.steps.size(), false);
  front_ = {};
  frontier_.clear();
}

launch_front caller_capture::front_at(const capture_state& here) const {
  return here.frontier == frontier_ ? front_ : launch_front{};
}

void caller_capture::record_step(const lane_layout& layout, std::size_t step, cudaStream_t stream) {
  if (step >= core_.steps.size()) {
    throw invalid_argument{"step", "below " + std::to_string(core_.steps.size()),
                           std::to_string(step)};
  }
  const pipeline_step& what = core_.steps[step];
  const std::string name = "step '" + what.name + "'";
  const capture_state here = open_capture_of(stream);
  if (here.id != id_) {
    throw invalid_state{name, "has no prologue in this capture", "call record_prologue first"};
  }
  if (recorded_[step]) {
    throw invalid_state{name, "was recorded in this capture before",
                        "call record_prologue for another round"};
  }

  const std::int32_t bucket = core_.buckets.buckets()[bucket_index_];
  const kept_last_error kept{core_.last_error};
  lowered_step lowered;
  if (const library_step* library = what.library()) {
    const planned_pointer& planned = library->plans[bucket_index_];
    const bound_tensors tensors = layout.step_tensors(step, bucket);
    wait_in_full(here, stream);
    if (core_.programmatic_dependent_launch) {
      lowered = lower(planned, tensors, front_at(here), nullptr);
    } else {
      lowered.launches = lower_in_turn(planned, tensors);
    }
  } else {
    lowered.launches = {custom_launch{what.custom(), layout.context(step, bucket)}};
  }
  front_ = {};  // also where one of several launches throws
  for (const step_launch& launch : lowered.launches)
    enqueue(launch, step, stream);
  recorded_[step] = true;
  front_ = std::move(lowered.behind);
}

void caller_capture::enqueue(const step_launch& step, std::size_t index, cudaStream_t stream) {
  const capture_state before = state_of(stream);
  const std::string& name = core_.steps[index].name;
  const std::int32_t bucket = core_.buckets.buckets()[bucket_index_];
  const bool is_ours = std::holds_alternative<kernel_launch>(step);
  std::vector<cudaGraphNode_t> nodes_before;
  if (!is_ours) nodes_before = nodes_of(before.graph);
  capture_state after;
  try {
    launch(step, stream);
    after = state_of(stream);
    if (after.status == cudaStreamCaptureStatusInvalidated) throw invalidated_capture();
  } catch (const cuda_error& error) {
    throw_with_place(error, name, bucket);
  }
  if (after.status == cudaStreamCaptureStatusNone || after.id != before.id)
    throw_ended_capture(place_of(name, bucket));
  std::vector<cudaGraphNode_t> nodes = after.frontier;
  if (!is_ours) {
    nodes = nodes_since(std::move(nodes_before), after.graph);
    check_replayable(nodes, place_of(name, bucket));
  }
  if (tool_listens())
    report_to_tool(after.graph, bucket, nodes, owner_of(core_, index, bucket_index_));
  frontier_ = std::move(after.frontier);
}

}  // namespace ssugraph::detail
