#pragma once

#include "graphs/core/pipeline_core.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/** Pipelines and recorded graphs in words, without addresses: the same in every process. */
namespace ssugraph::detail {

struct launch_shape {
  std::array<unsigned, 3> grid{};
  std::array<unsigned, 3> block{};
  unsigned shared_bytes = 0;
};

struct described_node {
  std::string step;                   ///< whose it is; `prologue`, `promises`
  std::optional<std::int32_t> layer;  ///< its place among the steps of its operation
  std::string plan;                   ///< of a step of the library's: `native:2x128`
  std::string type;                   ///< of node: `kernel`, `memcpy`, ...
  std::optional<launch_shape> shape;  ///< of a kernel, where the driver tells
};

struct described_edge {
  std::size_t from = 0;  ///< place in `described_graph::nodes`
  std::size_t to = 0;
  bool programmatic = false;
  int from_port = 0;
  int to_port = 0;
};

/** The graph of one bucket as it was recorded. */
struct described_graph {
  std::int32_t bucket = 0;
  std::vector<described_node> nodes;  ///< the prologue, then step by step
  std::vector<described_edge> edges;  ///< by `from`, then `to`
};

/** A line a step and bucket. */
[[nodiscard]] std::string to_text(const pipeline_core& core);

[[nodiscard]] std::string to_json(const pipeline_core& core);

/** The same with what a lane recorded of it and the bytes of memory that it owns. */
[[nodiscard]] std::string to_json(const pipeline_core& core,
                                  const std::vector<described_graph>& graphs,
                                  std::size_t own_bytes);

/** In the language of Graphviz; programmatic edges are dashed. */
[[nodiscard]] std::string to_dot(const described_graph& graph);

}  // namespace ssugraph::detail
