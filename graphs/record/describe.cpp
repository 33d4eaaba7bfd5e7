#include "graphs/record/describe.hpp"

#include <nlohmann/json.hpp>

#include <utility>
#include <variant>

namespace ssugraph::detail {
namespace {

using json = nlohmann::ordered_json;

/** `2x8x1`. */
template <class Extents>
std::string by_axis(const Extents& extents) {
  std::string text;
  for (const auto extent : extents)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

json described(const mamba_config& config) {
  return {{"backend", config.backend},
          {"algorithm", config.algorithm},
          {"stochastic_rounding", config.stochastic_rounding},
          {"philox_rounds", config.philox_rounds}};
}

json described(const planned_step& planned) {
  json one = json::object();
  for (const auto& [name, value] : planned.fields()) {
    json& field = one[std::string{name}];
    std::visit([&field](const auto& given) { field = given; }, value);
  }
  return one;
}

json described(const library_step& step) {
  json plans = json::array();
  for (const planned_pointer& planned : step.plans)
    plans.push_back(described(*planned));
  json one = {{"kind", step.checked->traits().operation},
              {"problem", step.checked->problem()},
              {"seeds", step.seed >= 0 ? 1 : 0},
              {"shares_state", step.shares_state}};
  if (!step.sequences.empty()) one["sequences"] = step.sequences;
  one["plans"] = std::move(plans);
  return one;
}

json described(const custom_step& step) {
  json writes = nullptr;
  if (step.options.writes) {
    writes = json::array();
    for (const byte_range& range : *step.options.writes)
      writes.push_back(range.bytes);
  }
  return {{"kind", "custom"},
          {"seeds", step.options.seeds},
          {"scratch_bytes", step.options.scratch_bytes},
          {"writes_bytes", std::move(writes)},
          {"triggers_early", step.options.triggers_early},
          {"warm_up", step.options.warm_up}};
}

json described(const pipeline_core& core) {
  json steps = json::array();
  for (const pipeline_step& step : core.steps) {
    json one = {{"name", step.name}};
    one.update(step.library() != nullptr ? described(*step.library()) : described(*step.custom()));
    steps.push_back(std::move(one));
  }
  return {{"target", core.where == target::host ? "host" : "cuda"},
          {"config", described(core.config)},
          {"max_seqlen", core.max_seqlen},
          {"rows_per_sequence", core.rows_per_sequence},
          {"row_budget", core.row_budget},
          {"buckets", core.buckets.buckets()},
          {"seeds_per_replay", core.seed_count},
          {"scratch_bytes", core.scratch_bytes},
          {"programmatic_dependent_launch", core.programmatic_dependent_launch},
          {"steps", std::move(steps)}};
}

json described(const described_node& node) {
  json one = {{"step", node.step}};
  if (node.layer) {
    one["layer"] = *node.layer;
    one["plan"] = node.plan;
  }
  one["type"] = node.type;
  if (node.shape) {
    one["grid"] = by_axis(node.shape->grid);
    one["block"] = by_axis(node.shape->block);
    one["shared_bytes"] = node.shape->shared_bytes;
  }
  return one;
}

json described(const described_edge& edge) {
  return {{"from", edge.from},
          {"to", edge.to},
          {"type", edge.programmatic ? "programmatic" : "full"},
          {"from_port", edge.from_port},
          {"to_port", edge.to_port}};
}

json described(const described_graph& graph) {
  json nodes = json::array();
  for (const described_node& node : graph.nodes)
    nodes.push_back(described(node));
  json edges = json::array();
  for (const described_edge& edge : graph.edges)
    edges.push_back(described(edge));
  return {{"bucket", graph.bucket}, {"nodes", std::move(nodes)}, {"edges", std::move(edges)}};
}

/** `what` printed. Names are the user's: bytes that are no UTF-8 are replaced, not thrown at. */
std::string printed(const json& what, int indent) {
  return what.dump(indent, ' ', false, json::error_handler_t::replace);
}

std::string in_words(const step_options& options) {
  std::string text = std::to_string(options.seeds) + " seeds, " +
                     (options.writes ? "declares what it writes" : "declares no writes");
  if (options.triggers_early) text += ", triggers early";
  if (options.scratch_bytes > 0)
    text += ", " + std::to_string(options.scratch_bytes) + " bytes of scratch";
  if (options.warm_up) text += ", warms up";
  return text;
}

}  // namespace

std::string to_text(const pipeline_core& core) {
  std::string text;
  for (const pipeline_step& step : core.steps) {
    if (const custom_step* custom = step.custom()) {
      text += step.name + ": custom, " + in_words(custom->options) + '\n';
      continue;
    }
    const std::string shares = step.library()->shares_state ? ", shares its state\n" : "\n";
    for (const planned_pointer& planned : step.library()->plans)
      text += step.name + ": " + planned->text() + shares;
  }
  return text;
}

std::string to_json(const pipeline_core& core) {
  return printed(described(core), 2);
}

std::string to_json(const pipeline_core& core, const std::vector<described_graph>& graphs,
                    std::size_t own_bytes) {
  json all = described(core);
  all["own_bytes"] = own_bytes;
  all["graphs"] = json::array();
  for (const described_graph& graph : graphs)
    all["graphs"].push_back(described(graph));
  return printed(all, 2);
}

std::string to_dot(const described_graph& graph) {
  std::string text = "digraph bucket_" + std::to_string(graph.bucket) +
                     " {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n";
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const described_node& node = graph.nodes[i];
    const std::string label =
        node.type == "kernel" ? node.step : node.step + " (" + node.type + ")";
    text += "  n" + std::to_string(i) + " [label=" + printed(label, -1) + "];\n";
  }
  for (const described_edge& edge : graph.edges) {
    text += "  n" + std::to_string(edge.from) + " -> n" + std::to_string(edge.to) +
            (edge.programmatic ? " [style=dashed];\n" : ";\n");
  }
  return text + "}\n";
}

}  // namespace ssugraph::detail
