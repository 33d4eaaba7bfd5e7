#pragma once

#include "profiling/timeline/events.hpp"

#include <cstdint>
#include <map>
#include <set>

namespace ssugraph::timeline {

/** How CUPTI names a node. */
struct node_key {
  std::uint32_t graph = 0;
  std::uint64_t node = 0;

  auto operator<=>(const node_key&) const = default;
};

/**
 * Whose nodes are. The library tells of the nodes that it recorded; what runs are copies of them,
 * made when a graph is instantiated or added to another as a child, so copies of copies, too. An
 * owner may be told after its node was copied.
 */
class node_map {
 public:
  void own(node_key node, node_owner owner);
  void copy(node_key original, node_key copy);

  /** Null where nobody told whose it is. A launch may name its graph by the executable's id, which
   *  nodes are not told with: a node's id is enough where one graph alone has it. */
  [[nodiscard]] const node_owner* find(node_key node) const;

 private:
  [[nodiscard]] node_key known(node_key node) const;

  std::map<node_key, node_owner> owners_;
  std::map<node_key, node_key> original_of_;
  std::map<std::uint64_t, std::set<std::uint32_t>> graphs_of_node_;
};

}  // namespace ssugraph::timeline
