#include "graphs/record/attribution.hpp"

#include <ssugraph/tool.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>

namespace ssugraph::detail {
namespace {

using tool_function = decltype(&ssugraph_graph_recorded);

/** CUDA loads its injection where the program's own symbols do not reach. */
tool_function find_tool() noexcept {
  const char* const name = "ssugraph_graph_recorded";
  void* found = dlsym(RTLD_DEFAULT, name);
  const char* injected = std::getenv("CUDA_INJECTION64_PATH");
  if (found == nullptr && injected != nullptr) {
    // Never closed: the tool stays as long as the process.
    if (void* tool = dlopen(injected, RTLD_LAZY | RTLD_NOLOAD)) found = dlsym(tool, name);
  }
  return reinterpret_cast<tool_function>(found);
}

tool_function the_tool() noexcept {
  static const tool_function tool = find_tool();
  return tool;
}

}  // namespace

node_owner owner_of(const planned_step& planned) {
  const std::int64_t bytes = planned.bytes(planned.sequences());
  return {.plan = planned.choice().label(),
          .bytes = bytes,
          .bytes_a_sequence = bytes - planned.bytes(planned.sequences() - 1)};
}

node_owner owner_of(const pipeline_core& core, std::size_t step, std::size_t bucket_index) {
  const auto at = core.steps.begin() + static_cast<std::ptrdiff_t>(step);
  node_owner owner;
  if (const library_step* ours = at->library()) {
    owner = owner_of(*ours->plans[bucket_index]);
    owner.layer = static_cast<std::int32_t>(
        std::count_if(core.steps.begin(), at, [&](const pipeline_step& before) {
          return before.library() != nullptr &&
                 before.library()->checked->traits().operation == ours->checked->traits().operation;
        }));
  }
  owner.step = at->name;
  return owner;
}

std::vector<owned_node> owned_nodes(const bucket_graph& recorded, const pipeline_core& core) {
  const auto bucket_index = static_cast<std::size_t>(core.buckets.index_for(recorded.bucket));
  std::vector<owned_node> nodes{{recorded.prologue, {.step = "prologue"}}};
  if (recorded.promises != nullptr) nodes.push_back({recorded.promises, {.step = "promises"}});
  for (std::size_t step = 0; step < recorded.steps.size(); ++step) {
    const node_owner owner = owner_of(core, step, bucket_index);
    for (const cudaGraphNode_t node : recorded.steps[step].nodes)
      nodes.push_back({node, owner});
  }
  return nodes;
}

bool tool_listens() noexcept {
  return the_tool() != nullptr;
}

void report_to_tool(cudaGraph_t graph, std::int32_t bucket, const std::vector<owned_node>& nodes) {
  if (!tool_listens()) return;
  std::vector<tool_node> told;
  told.reserve(nodes.size());
  for (const auto& [node, owner] : nodes) {
    told.push_back({node, owner.step.c_str(), owner.layer, owner.plan.c_str(), owner.bytes,
                    owner.bytes_a_sequence});
  }
  const tool_graph whole{graph, bucket, told.data(), told.size()};
  the_tool()(&whole);
}

}  // namespace ssugraph::detail
