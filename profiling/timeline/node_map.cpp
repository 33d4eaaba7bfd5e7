#include "profiling/timeline/node_map.hpp"

#include <utility>

namespace ssugraph::timeline {

void node_map::own(node_key node, node_owner owner) {
  known_node& known = nodes_[node];
  graphs_of_node_[node.node].insert(node.graph);
  if (!known.whose || known.whose->told_of != node)
    known.whose = std::make_shared<ownership>(ownership{node});
  known.whose->owner = std::make_shared<const node_owner>(std::move(owner));
}

void node_map::copy(node_key original, node_key copy) {
  if (original == copy) return;
  graphs_of_node_[copy.node].insert(copy.graph);
  const node_key from = known(original);
  std::shared_ptr<ownership>& whose = nodes_[from].whose;
  if (!whose) whose = std::make_shared<ownership>(ownership{from});
  nodes_[copy] = {whose};
}

void node_map::instantiate(const void* executable, std::vector<node_key> copies) {
  for (const node_key copy : copies) {
    if (const auto known = nodes_.find(copy); known != nodes_.end())
      known->second.of_executable = true;
  }
  executables_[executable] = std::move(copies);
}

void node_map::destroy_node(node_key node) {
  const auto known = nodes_.find(node);
  if (known != nodes_.end() && !known->second.of_executable) leave(node, known->second);
}

void node_map::destroy_graph(std::uint32_t graph) {
  std::vector<node_key> nodes;
  for (auto at = nodes_.lower_bound({graph, 0}); at != nodes_.end() && at->first.graph == graph;
       ++at)
    nodes.push_back(at->first);
  for (const node_key node : nodes)
    destroy_node(node);
}

void node_map::destroy_executable(const void* executable) {
  const auto ended = executables_.extract(executable);
  if (ended.empty()) return;
  for (const node_key node : ended.mapped()) {
    if (const auto known = nodes_.find(node); known != nodes_.end()) leave(node, known->second);
  }
}

void node_map::leave(node_key node, known_node& known) {
  if (std::exchange(known.gone, true)) return;
  gone_.push_back(node);
  if (gone_.size() <= most_gone_) return;
  forget(gone_.front());
  gone_.pop_front();
}

void node_map::forget(node_key node) {
  const auto known = nodes_.find(node);
  if (known == nodes_.end() || !known->second.gone) return;  // there is another one of its name
  nodes_.erase(known);
  const auto graphs = graphs_of_node_.find(node.node);
  if (graphs == graphs_of_node_.end()) return;
  graphs->second.erase(node.graph);
  if (graphs->second.empty()) graphs_of_node_.erase(graphs);
}

node_key node_map::known(node_key node) const {
  const auto graphs = graphs_of_node_.find(node.node);
  if (graphs == graphs_of_node_.end() || graphs->second.contains(node.graph)) return node;
  return graphs->second.size() == 1 ? node_key{*graphs->second.begin(), node.node} : node;
}

std::shared_ptr<const node_owner> node_map::find(node_key node) const {
  const auto found = nodes_.find(known(node));
  return found == nodes_.end() || !found->second.whose ? nullptr : found->second.whose->owner;
}

}  // namespace ssugraph::timeline
