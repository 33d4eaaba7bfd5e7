#include "graphs/step_chain.hpp"

#include "graphs/capture.hpp"
#include "lib/core/overlap.hpp"
#include "lib/ssu/kernel_backend.hpp"

namespace ssugraph::detail {
namespace {

const kernel_backend* as_kernel(const step_plan& planned) {
  return dynamic_cast<const kernel_backend*>(planned.backend.get());
}

/** Whether a launch in front that runs on `front` leaves alone what one on `args` reads first. */
bool may_read_ahead(const ssu_args& front, const ssu_args& args) {
  return !may_overlap(front.state, args.state) && !may_overlap(front.out, args.state);
}

step_launch lower(const chain_link& link, const chain_link* front, bool programmatic) {
  const step_plan& planned = *link.planned;
  const kernel_backend* backend = as_kernel(planned);
  if (backend == nullptr) return foreign_launch{planned.backend, planned.plan, link.args};
  const bool overlaps =
      programmatic && planned.overlaps && front != nullptr && as_kernel(*front->planned) != nullptr;
  kernel_launch launch = backend->lower(
      planned.plan, link.args, {.reads_ahead = overlaps && may_read_ahead(front->args, link.args)});
  launch.set_programmatic(overlaps);
  return launch;
}

}  // namespace

std::vector<step_launch> lower_chain(std::span<const chain_link> links, bool programmatic) {
  std::vector<step_launch> launches;
  const chain_link* front = nullptr;
  for (const chain_link& link : links) {
    launches.push_back(lower(link, front, programmatic));
    front = &link;
  }
  return launches;
}

void launch(const step_launch& step, stream_handle stream) {
  std::visit([&](const auto& how) { how.launch(stream); }, step);
}

void add_to(cudaGraph_t graph, std::vector<cudaGraphNode_t>& frontier, const step_launch& step,
            cudaStream_t capture_stream) {
  if (const auto* kernel = std::get_if<kernel_launch>(&step)) {
    frontier = {kernel->add_to(graph, frontier)};
  } else {
    const auto& foreign = std::get<foreign_launch>(step);
    frontier = capture_into(graph, frontier, capture_stream,
                            [&](cudaStream_t stream) { foreign.launch(stream); });
  }
}

}  // namespace ssugraph::detail
