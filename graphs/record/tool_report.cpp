#include "graphs/record/tool_report.hpp"

#include <ssugraph/tool.hpp>

#include <dlfcn.h>

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

bool tool_listens() noexcept {
  return the_tool() != nullptr;
}

void report_to_tool(cudaGraph_t graph, std::int32_t bucket, std::span<const owned_node> nodes) {
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

void report_to_tool(cudaGraph_t graph, std::int32_t bucket, std::span<const cudaGraphNode_t> nodes,
                    const node_owner& owner) {
  if (!tool_listens()) return;
  std::vector<owned_node> owned;
  owned.reserve(nodes.size());
  for (const cudaGraphNode_t node : nodes)
    owned.push_back({node, owner});
  report_to_tool(graph, bucket, owned);
}

}  // namespace ssugraph::detail
