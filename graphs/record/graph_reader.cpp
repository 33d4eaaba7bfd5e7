#include "graphs/record/graph_reader.hpp"

#include "graphs/record/node_owner.hpp"
#include "lib/core/cuda_check.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

namespace ssugraph::detail {
namespace {

std::string name_of(cudaGraphNodeType type) {
  constexpr std::array names{std::pair{cudaGraphNodeTypeKernel, "kernel"},
                             std::pair{cudaGraphNodeTypeMemcpy, "memcpy"},
                             std::pair{cudaGraphNodeTypeMemset, "memset"},
                             std::pair{cudaGraphNodeTypeHost, "host"},
                             std::pair{cudaGraphNodeTypeGraph, "graph"},
                             std::pair{cudaGraphNodeTypeEmpty, "empty"},
                             std::pair{cudaGraphNodeTypeWaitEvent, "event wait"},
                             std::pair{cudaGraphNodeTypeEventRecord, "event record"}};
  for (const auto& [named, name] : names) {
    if (named == type) return name;
  }
  return "type " + std::to_string(static_cast<int>(type));
}

/** The shape of a kernel; none where it is not the runtime's, as those of some libraries. */
std::optional<launch_shape> shape_of(cudaGraphNode_t kernel) {
  cudaKernelNodeParams params{};
  if (cudaGraphKernelNodeGetParams(kernel, &params) != cudaSuccess) {
    cudaGetLastError();
    return std::nullopt;
  }
  return launch_shape{{params.gridDim.x, params.gridDim.y, params.gridDim.z},
                      {params.blockDim.x, params.blockDim.y, params.blockDim.z},
                      params.sharedMemBytes};
}

described_node read_node(cudaGraphNode_t node, const node_owner& owner) {
  cudaGraphNodeType type{};
  check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  return {owner.step, owner.layer < 0 ? std::nullopt : std::optional{owner.layer}, owner.plan,
          name_of(type), type == cudaGraphNodeTypeKernel ? shape_of(node) : std::nullopt};
}

using node_places = std::map<cudaGraphNode_t, std::size_t>;

std::vector<described_edge> read_edges(cudaGraph_t graph, const node_places& places) {
  std::size_t count = 0;
  check_cuda(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count), "cudaGraphGetEdges");
  std::vector<cudaGraphNode_t> from(count);
  std::vector<cudaGraphNode_t> to(count);
  std::vector<cudaGraphEdgeData> data(count);
  check_cuda(cudaGraphGetEdges(graph, from.data(), to.data(), data.data(), &count),
             "cudaGraphGetEdges");
  std::vector<described_edge> edges;
  edges.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    edges.push_back({places.at(from[i]), places.at(to[i]),
                     data[i].type == cudaGraphDependencyTypeProgrammatic, data[i].from_port,
                     data[i].to_port});
  }
  std::ranges::sort(edges, {}, [](const described_edge& edge) {
    return std::tuple{edge.from, edge.to};
  });
  return edges;
}

}  // namespace

described_graph read_graph(const bucket_graph& recorded, const pipeline_core& core) {
  described_graph graph{recorded.bucket, {}, {}};
  node_places places;
  for (const auto& [node, owner] : owned_nodes(recorded, core)) {
    places[node] = graph.nodes.size();
    graph.nodes.push_back(read_node(node, owner));
  }
  graph.edges = read_edges(recorded.graph.get(), places);
  return graph;
}

}  // namespace ssugraph::detail
