#pragma once

#include "profiling/timeline/events.hpp"
#include "profiling/timeline/node_map.hpp"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

namespace ssugraph::timeline {

/** Collects from all threads what is traced, up to a limit; what comes after it is counted. */
class recorder {
 public:
  /** Keeps so many events of each kind: the device's, launches, ranges; and so many nodes of graphs
   *  that are gone, for no more of them can have an event. */
  explicit recorder(std::size_t most_events) : most_events_{most_events}, nodes_{most_events} {}

  /** Finds its owner, too. */
  void add(device_event event);
  void add(host_launch launch);
  void add(host_range range);
  void drop(std::uint64_t records);
  /** What node_map has to be told. */
  template <class Change>
  void change_nodes(Change change) {
    const std::lock_guard lock{mutex_};
    change(nodes_);
  }
  void name_stream(std::uint32_t stream, std::string name);
  /** The first device's that is known counts. */
  void set_limit(double gb_s);

  /** All of it so far; the recorder is empty then. */
  [[nodiscard]] recording take();

 private:
  template <class Event>
  void keep(std::vector<Event>& events, Event event);

  std::size_t most_events_;
  std::mutex mutex_;
  recording recorded_;
  node_map nodes_;
};

}  // namespace ssugraph::timeline
