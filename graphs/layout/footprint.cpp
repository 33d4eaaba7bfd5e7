#include "graphs/layout/footprint.hpp"

#include "graphs/layout/bindings.hpp"
#include "graphs/layout/lane_layout.hpp"
#if SSUGRAPH_CUDA
#include "lib/step/kernel_launches.hpp"
#endif

namespace ssugraph::detail {
namespace {

#if SSUGRAPH_CUDA

/** As those of FlashInfer have at most: its kernel, and one for the rows of null sequences. What a
 *  custom step adds, nobody knows before it is recorded. */
constexpr std::size_t nodes_of_captured_step = 2;

/** Nodes of a step in one bucket's graph. */
std::size_t nodes_of(const pipeline_step& step, std::size_t bucket_index) {
  const library_step* ours = step.library();
  const kernel_launches* kernels = ours != nullptr ? ours->plans[bucket_index]->kernels() : nullptr;
  return kernels != nullptr ? kernels->launches().size() : nodes_of_captured_step;
}

std::size_t bytes_of_graphs(const pipeline_core& core) {
  std::size_t bytes = 0;
  for (std::size_t bucket = 0; bucket < core.buckets.buckets().size(); ++bucket) {
    std::size_t nodes = core.checked ? 2 : 1;  // the prologue, and the promises
    for (const pipeline_step& step : core.steps)
      nodes += nodes_of(step, bucket);
    bytes += bytes_of_graph(nodes);
  }
  return bytes;
}

#endif

}  // namespace

std::size_t lane_bytes(const pipeline_core& core) {
  const std::size_t own = lane_layout{core, built_steps(core)}.bytes();
#if SSUGRAPH_CUDA
  if (core.where == target::cuda) return own + bytes_a_lane + bytes_of_graphs(core);
#endif
  return own;
}

}  // namespace ssugraph::detail
