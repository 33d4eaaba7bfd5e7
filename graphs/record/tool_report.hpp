#pragma once

#include "graphs/record/node_owner.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>
#include <vector>

/** Tells a tool in the process whose the nodes of a graph are (ssugraph/tool.hpp). */
namespace ssugraph::detail {

/** Whether a tool wants to know. The first call looks for one. */
[[nodiscard]] bool tool_listens() noexcept;

/** Tells the tool, if there is one. */
void report_to_tool(cudaGraph_t graph, std::int32_t bucket, std::span<const owned_node> nodes);

/** The same of nodes that are all of one owner. */
void report_to_tool(cudaGraph_t graph, std::int32_t bucket, std::span<const cudaGraphNode_t> nodes,
                    const node_owner& owner);

}  // namespace ssugraph::detail
