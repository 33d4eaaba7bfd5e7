#include "graphs/record/launch_path.hpp"

#include "lib/core/cuda_check.hpp"

#include <algorithm>
#include <variant>

namespace ssugraph::detail {
namespace {

bool is_kernel(cudaGraphNode_t node) {
  cudaGraphNodeType type{};
  check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  return type == cudaGraphNodeTypeKernel;
}

bool all_edges_full(cudaGraphNode_t node) {
  std::size_t count = 0;
  check_cuda(cudaGraphNodeGetDependencies(node, nullptr, nullptr, &count),
             "cudaGraphNodeGetDependencies");
  std::vector<cudaGraphNode_t> nodes(count);
  std::vector<cudaGraphEdgeData> edges(count);
  check_cuda(cudaGraphNodeGetDependencies(node, nodes.data(), edges.data(), &count),
             "cudaGraphNodeGetDependencies");
  return std::ranges::all_of(
      edges, [](const auto& edge) { return edge.type == cudaGraphDependencyTypeDefault; });
}

}  // namespace

bool recorded_step::is_ours() const {
  return std::ranges::all_of(launches, [](const step_launch& launch) {
    return std::holds_alternative<kernel_launch>(launch);
  });
}

launch_path::launch_path(cudaStream_t stream, context_handle part, bool programmatic)
    : is_callers_{false},
      owned_{make_graph()},
      stream_{stream},
      part_{part},
      programmatic_{programmatic} {
  here_.graph = owned_.get();
}

launch_path::launch_path(cudaStream_t stream, capture_state here, bool programmatic)
    : is_callers_{true}, stream_{stream}, programmatic_{programmatic}, here_{std::move(here)} {}

void launch_path::go_on(cudaStream_t stream, capture_state here) {
  if (here.frontier != here_.frontier) front_ = {};
  stream_ = stream;
  here_ = std::move(here);
}

cudaGraphNode_t launch_path::add(const kernel_launch& kernel) {
  front_ = {};
  wait_in_full();
  return add_one(kernel).front();
}

recorded_step launch_path::add(const planned_pointer& planned, const bound_tensors& tensors,
                               const planned_step* next) {
  launch_front front = std::exchange(front_, {});  // unknown, too, where one of several throws
  wait_in_full();
  if (!programmatic_) return add_all(lower_in_turn(planned, tensors));
  auto [launches, behind] = lower(planned, tensors, std::move(front), next);
  recorded_step recorded = add_all(std::move(launches));
  front_ = std::move(behind);
  return recorded;
}

recorded_step launch_path::add(const custom_launch& step) {
  front_ = {};
  return add_all({step});
}

void launch_path::overlap(const custom_step& step, const std::vector<cudaGraphNode_t>& nodes) {
  if (!programmatic_ || !step.options.writes) return;
  if (here_.frontier.size() != 1 || !is_kernel(here_.frontier.front())) return;
  // Kernels that start early must be known to wait before they let anybody start.
  if (!step.options.triggers_early && !std::ranges::all_of(nodes, all_edges_full)) return;
  front_ = {.may_overlap = true, .ranges = *step.options.writes};
}

recorded_step launch_path::add_all(std::vector<step_launch> launches) {
  recorded_step recorded{std::move(launches), {}};
  for (const step_launch& launch : recorded.launches) {
    const auto added = add_one(launch);
    recorded.nodes.insert(recorded.nodes.end(), added.begin(), added.end());
  }
  return recorded;
}

std::vector<cudaGraphNode_t> launch_path::add_one(const step_launch& step) {
  if (is_callers_) return enqueue_one(step);
  if (const auto* kernel = std::get_if<kernel_launch>(&step)) {
    here_.frontier = {kernel->add_to(owned_.get(), here_.frontier, part_)};
    return here_.frontier;
  }
  captured_nodes captured =
      capture_into(owned_, here_.frontier, stream_, [&](cudaStream_t on) { launch(step, on); });
  here_.frontier = std::move(captured.frontier);
  return std::move(captured.nodes);
}

std::vector<cudaGraphNode_t> launch_path::enqueue_one(const step_launch& step) {
  const bool is_ours = std::holds_alternative<kernel_launch>(step);
  std::vector<cudaGraphNode_t> before;
  if (!is_ours) before = nodes_of(here_.graph);
  launch(step, stream_);
  capture_state after = state_of(stream_);
  if (after.status == cudaStreamCaptureStatusInvalidated) throw invalidated_capture();
  if (after.status == cudaStreamCaptureStatusNone || after.id != here_.id) throw ended_capture{};
  here_ = std::move(after);
  return is_ours ? here_.frontier : nodes_since(std::move(before), here_.graph);
}

/** Our kernels start early only where they know what is in front. */
void launch_path::wait_in_full() {
  if (here_.waits_in_full) return;
  check_cuda(
      cudaStreamUpdateCaptureDependencies(stream_, here_.frontier.data(), nullptr,
                                          here_.frontier.size(), cudaStreamSetCaptureDependencies),
      "cudaStreamUpdateCaptureDependencies");
  here_.waits_in_full = true;
}

}  // namespace ssugraph::detail
