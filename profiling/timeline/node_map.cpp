#include "profiling/timeline/node_map.hpp"

#include <cstddef>
#include <utility>

namespace ssugraph::timeline {

void node_map::own(node_key node, node_owner owner) {
  owners_.insert_or_assign(node, std::move(owner));
  graphs_of_node_[node.node].insert(node.graph);
}

void node_map::copy(node_key original, node_key copy) {
  if (original == copy) return;
  original_of_.insert_or_assign(copy, original);
  graphs_of_node_[copy.node].insert(copy.graph);
}

node_key node_map::known(node_key node) const {
  const auto graphs = graphs_of_node_.find(node.node);
  if (graphs == graphs_of_node_.end() || graphs->second.contains(node.graph)) return node;
  return graphs->second.size() == 1 ? node_key{*graphs->second.begin(), node.node} : node;
}

const node_owner* node_map::find(node_key node) const {
  node = known(node);
  // Copies are younger than their originals, so the way ends before it has seen all.
  for (std::size_t hops = 0; hops <= original_of_.size(); ++hops) {
    if (const auto owner = owners_.find(node); owner != owners_.end()) return &owner->second;
    const auto original = original_of_.find(node);
    if (original == original_of_.end()) break;
    node = known(original->second);
  }
  return nullptr;
}

}  // namespace ssugraph::timeline
