#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/record/bucket_graph.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/** Whose the nodes of recorded graphs are, for descriptions and for tools. */
namespace ssugraph::detail {

struct node_owner {
  std::string step = {};    ///< its name; `prologue`, `promises`, `tuning`
  std::int32_t layer = -1;  ///< its place among the steps of its operation; -1: it is the user's
  std::string plan = {};    ///< of a step of the library's: `native:2x128`
  std::int64_t bytes = 0;   ///< that such a step must move for a full bucket
  std::int64_t bytes_a_sequence = 0;
};

struct owned_node {
  cudaGraphNode_t node = nullptr;
  node_owner owner;
};

/** Most rows that so many sequences have. */
using row_count = std::function<std::int64_t(std::int64_t sequences)>;

/** A planned step of the library's, its name and layer aside. */
[[nodiscard]] node_owner owner_of(const planned_step& planned, const row_count& rows_of);
[[nodiscard]] node_owner owner_of(const pipeline_core& core, std::size_t step,
                                  std::size_t bucket_index);

/** Every node: the prologue, then step by step. */
[[nodiscard]] std::vector<owned_node> owned_nodes(const bucket_graph& recorded,
                                                  const pipeline_core& core);

}  // namespace ssugraph::detail
