#pragma once

/**
 * @file
 * For profilers in the process, not for users of the library: whose each node of a recorded graph
 * is.
 *
 * A tool exports `ssugraph_graph_recorded`. The library looks for it once, when it first records a
 * graph: in the program and its shared objects, then in the one that CUDA_INJECTION64_PATH names.
 * It calls it on the recording thread for every graph and every piece of a caller's capture, before
 * they are instantiated; replays never call it. `profiling/timeline` is such a tool.
 */

#include <ssugraph/export.hpp>
#include <ssugraph/stream.hpp>

#include <cstddef>
#include <cstdint>

namespace ssugraph {

/** A node and the step that it is of. */
struct tool_node {
  graph_node_handle node;  ///< in the graph, not in its executable
  const char* step;        ///< the step's name; `prologue`, `promises`, `tuning`
  std::int32_t layer;      ///< its place among the steps of its operation; -1: the user's
  const char* plan;        ///< backend and algorithm, `native:2x128`; else empty
  std::int64_t bytes;      ///< that a step of the library's must move for a full bucket; else 0
  std::int64_t bytes_a_sequence;  ///< what each padded sequence takes off that; with a
                                  ///< budget of rows, at least
};

/** Nodes of one graph, in the order in which they were added. Valid during the call. */
struct tool_graph {
  graph_handle graph;      ///< of the bucket, or the caller's
  std::int32_t bucket;     ///< sequences that it serves
  const tool_node* nodes;  ///< the first of node_count
  std::size_t node_count;  ///< those of the library in the graph
};

}  // namespace ssugraph

/** Defined by the tool; must not throw. */
extern "C" SSUGRAPH_EXPORT void ssugraph_graph_recorded(const ssugraph::tool_graph* graph);
