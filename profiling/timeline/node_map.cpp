#include "profiling/timeline/node_map.hpp"

#include <iterator>
#include <utility>

namespace ssugraph::timeline {

void node_map::own(node_key node, node_owner owner) {
  owners_.insert_or_assign(node, std::move(owner));
}

void node_map::copy(node_key original, node_key copy) {
  if (original == copy) return;
  if (original_of_.insert_or_assign(copy, original).second)
    graphs_of_copy_.emplace(copy.node, copy.graph);
}

node_key node_map::known(node_key node) const {
  if (original_of_.contains(node) || owners_.contains(node)) return node;
  const auto [begin, end] = graphs_of_copy_.equal_range(node.node);
  const bool is_unique = begin != end && std::next(begin) == end;
  return is_unique ? node_key{begin->second, node.node} : node;
}

const node_owner* node_map::find(node_key node) const {
  node = known(node);
  // Copies are younger than their originals, so the way ends.
  for (auto original = original_of_.find(node); original != original_of_.end();
       original = original_of_.find(node)) {
    node = original->second;
  }
  const auto owner = owners_.find(node);
  return owner == owners_.end() ? nullptr : &owner->second;
}

}  // namespace ssugraph::timeline
