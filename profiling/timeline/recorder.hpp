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
  /** Keeps so many events of each kind: the device's, launches, ranges. */
  explicit recorder(std::size_t most_events) : most_events_{most_events} {}

  void add(device_event event);
  void add(host_launch launch);
  void add(host_range range);
  void drop(std::uint64_t records);
  void own(node_key node, node_owner owner);
  void copy(node_key original, node_key copy);
  void name_stream(std::uint32_t stream, std::string name);
  /** The first device's that is known counts. */
  void set_limit(double gb_s);

  /** All of it so far; the recorder is empty then. */
  [[nodiscard]] std::pair<recording, node_map> take();

 private:
  template <class Event>
  void keep(std::vector<Event>& events, Event event);

  std::size_t most_events_;
  std::mutex mutex_;
  recording recorded_;
  node_map nodes_;
};

}  // namespace ssugraph::timeline
