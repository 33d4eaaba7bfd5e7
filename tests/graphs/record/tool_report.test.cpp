#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>
#include <ssugraph/tool.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

/** This program is a tool, too: what the library tells one of its graphs. */
namespace ssugraph::test {
namespace {

struct told_node {
  graph_node_handle node;
  std::string text;  ///< bucket, step, layer, plan
  std::int64_t bytes;
  std::int64_t bytes_a_sequence;
};

struct told_graph {
  std::vector<told_node> nodes;
  bool are_all_of_the_graph;
  std::size_t programmatic_edges;
};

std::vector<told_graph>* listener = nullptr;

std::set<graph_node_handle> nodes_of(graph_handle graph) {
  std::size_t count = 0;
  EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &count), cudaSuccess);
  std::vector<cudaGraphNode_t> nodes(count);
  EXPECT_EQ(cudaGraphGetNodes(graph, nodes.data(), &count), cudaSuccess);
  return {nodes.begin(), nodes.end()};
}

std::size_t count_programmatic_edges(graph_handle graph) {
  std::size_t count = 0;
  EXPECT_EQ(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count), cudaSuccess);
  std::vector<cudaGraphNode_t> from(count);
  std::vector<cudaGraphNode_t> to(count);
  std::vector<cudaGraphEdgeData> edges(count);
  EXPECT_EQ(cudaGraphGetEdges(graph, from.data(), to.data(), edges.data(), &count), cudaSuccess);
  return static_cast<std::size_t>(std::ranges::count(edges, cudaGraphDependencyTypeProgrammatic,
                                                     [](const auto& edge) { return edge.type; }));
}

void listen(const tool_graph& graph) {
  if (listener == nullptr) return;
  told_graph told;
  std::set<graph_node_handle> handles;
  for (std::size_t i = 0; i < graph.node_count; ++i) {
    const tool_node& node = graph.nodes[i];
    handles.insert(node.node);
    told.nodes.push_back({node.node,
                          std::to_string(graph.bucket) + " " + node.step + " " +
                              std::to_string(node.layer) + " " + node.plan,
                          node.bytes, node.bytes_a_sequence});
  }
  told.are_all_of_the_graph = handles == nodes_of(graph.graph);
  told.programmatic_edges = count_programmatic_edges(graph.graph);
  listener->push_back(std::move(told));
}

class told_to_tools : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    listener = &graphs_;
  }
  void TearDown() override { listener = nullptr; }

  /** A layer, two copies of the user's, a layer. */
  static pipeline build(const model& layers, const placed_memory& memory) {
    pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{2, 4}}};
    builder.ssu("first", layers.args(0));
    builder.step("copies", [&](const step_context&, stream_handle on) {
      for (const int at : {256, 512})
        enqueue_copy(place::device, memory.data(), memory.data() + at, 128, on);
    });
    builder.ssu("second", layers.args(1));
    return builder.recording({.checked = true}).build();
  }

  static std::vector<ssu_case> cases() {
    case_spec spec;
    spec.batch = 4;
    spec.capacity = 4;
    spec.state_dtype = dtype::bfloat16;
    spec.stochastic_rounding = true;
    return make_layers(spec, 2);
  }

  /** What is told of one bucket. */
  static std::vector<std::string> all_of(const pipeline& built, std::int32_t bucket) {
    const std::string b = std::to_string(bucket) + " ";
    const ssu_plan& plan =
        built.plan(0, static_cast<std::size_t>(built.buckets().index_for(bucket)));
    const std::string name = plan.backend + ":" + plan.algorithm;
    return {b + "prologue -1 ", b + "promises -1 ", b + "first 0 " + name,
            b + "copies -1 ",   b + "copies -1 ",   b + "second 1 " + name};
  }

  static std::vector<std::string> texts(const std::vector<told_node>& nodes) {
    std::vector<std::string> all;
    for (const told_node& node : nodes)
      all.push_back(node.text);
    return all;
  }

  std::vector<told_graph> graphs_;
};

TEST_F(told_to_tools, is_every_node_of_every_graph_and_nothing_by_a_replay) {
  const model layers{target::cuda, cases(), false};
  const placed_memory memory{place::device, 1024};
  const placed_stream stream{place::device};
  const pipeline built = build(layers, memory);
  lane lane = built.make_lane(stream.get());
  ASSERT_EQ(graphs_.size(), 2u);
  EXPECT_EQ(texts(graphs_[0].nodes), all_of(built, 4));
  EXPECT_EQ(texts(graphs_[1].nodes), all_of(built, 2));
  EXPECT_TRUE(graphs_[0].are_all_of_the_graph);
  EXPECT_TRUE(graphs_[1].are_all_of_the_graph);

  const told_node& of_four = graphs_[0].nodes[2];
  const told_node& of_two = graphs_[1].nodes[2];
  EXPECT_GT(of_two.bytes_a_sequence, 0);
  EXPECT_EQ(of_four.bytes, of_two.bytes + 2 * of_two.bytes_a_sequence);
  EXPECT_EQ(graphs_[0].nodes[0].bytes, 0) << "of a prologue";

  for (const int batch : {4, 2, 1})
    lane.replay(batch, stream.get());
  stream.wait();
  EXPECT_EQ(graphs_.size(), 2u);
  lane.rebuild(2);
  EXPECT_EQ(graphs_.size(), 3u);
}

TEST_F(told_to_tools, is_every_node_of_a_callers_capture) {
  const model layers{target::cuda, cases(), false};
  const placed_memory memory{place::device, 1024};
  const placed_memory live{place::device, sizeof(std::int32_t)};
  const placed_stream stream{place::device};
  const pipeline built = build(layers, memory);
  lane lane = built.make_lane(stream.get());
  graphs_.clear();
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  lane.record(2, reinterpret_cast<const std::int32_t*>(live.data()), stream.get());
  cudaGraph_t captured = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.get(), &captured), cudaSuccess);

  std::vector<told_node> nodes;
  for (const told_graph& piece : graphs_)
    nodes.insert(nodes.end(), piece.nodes.begin(), piece.nodes.end());
  EXPECT_EQ(texts(nodes), all_of(built, 2));
  std::set<graph_node_handle> handles;
  for (const told_node& node : nodes)
    handles.insert(node.node);
  EXPECT_EQ(handles, nodes_of(captured));
  EXPECT_EQ(cudaGraphDestroy(captured), cudaSuccess);
}

/** What `automatic` measures is launched as the pipeline will launch it. */
TEST_F(told_to_tools, has_programmatic_edges_in_measurements_of_pipelines_that_have_them) {
  auto layers = make_layers({}, 2);
  for (ssu_case& layer : layers)
    layer.config.backend = "automatic";
  const model of{target::cuda, layers, false};
  const auto count_edges = [&](bool overlap) {
    graphs_.clear();
    pipeline_builder builder = of.builder(bucket_policy{{1, 3}});
    static_cast<void>(builder.programmatic_dependent_launch(overlap).build());
    EXPECT_FALSE(graphs_.empty()) << "nothing was measured";
    std::size_t edges = 0;
    for (const told_graph& graph : graphs_)
      edges += graph.programmatic_edges;
    return edges;
  };
  EXPECT_EQ(count_edges(false), 0u);
  EXPECT_GT(count_edges(true), 0u);
}

}  // namespace
}  // namespace ssugraph::test

void ssugraph_graph_recorded(const ssugraph::tool_graph* graph) {
  ssugraph::test::listen(*graph);
}
