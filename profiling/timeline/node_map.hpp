#pragma once

#include "profiling/timeline/events.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

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
 *
 * Nodes go with their graph, or with the executable that they were copied for. Of what is gone,
 * records may still come; it is forgotten, the oldest first, once `most_gone` more are gone.
 */
class node_map {
 public:
  explicit node_map(std::size_t most_gone) : most_gone_{most_gone} {}

  void own(node_key node, node_owner owner);
  void copy(node_key original, node_key copy);
  /** `copies`, all known, were made for an executable: they live as long as it. */
  void instantiate(const void* executable, std::vector<node_key> copies);

  void destroy_node(node_key node);
  void destroy_graph(std::uint32_t graph);
  void destroy_executable(const void* executable);

  /** Null where nobody told whose it is. A launch may name its graph by the executable's id, which
   *  nodes are not told with: a node's id is enough where one graph alone has it. */
  [[nodiscard]] std::shared_ptr<const node_owner> find(node_key node) const;
  /** Nodes that are not forgotten. */
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

 private:
  /** A node's and its copies'. */
  struct ownership {
    node_key told_of;  ///< the one that is no copy
    std::shared_ptr<const node_owner> owner = {};
  };
  struct known_node {
    std::shared_ptr<ownership> whose;
    bool of_executable = false;
    bool gone = false;
  };

  [[nodiscard]] node_key known(node_key node) const;
  void leave(node_key node, known_node& known);
  void forget(node_key node);

  std::size_t most_gone_;
  std::map<node_key, known_node> nodes_;
  std::map<std::uint64_t, std::set<std::uint32_t>> graphs_of_node_;  ///< owned ones and copies
  std::map<const void*, std::vector<node_key>> executables_;
  std::deque<node_key> gone_;
};

}  // namespace ssugraph::timeline
