#include "profiling/timeline/recorder.hpp"

namespace ssugraph::timeline {

template <class Event>
void recorder::keep(std::vector<Event>& events, Event event) {
  const std::lock_guard lock{mutex_};
  if (events.size() < most_events_) {
    events.push_back(std::move(event));
  } else {
    ++recorded_.dropped;
  }
}

void recorder::add(device_event event) {
  keep(recorded_.device, std::move(event));
}

void recorder::add(host_launch launch) {
  keep(recorded_.launches, std::move(launch));
}

void recorder::add(host_range range) {
  keep(recorded_.ranges, std::move(range));
}

void recorder::drop(std::uint64_t records) {
  const std::lock_guard lock{mutex_};
  recorded_.dropped += records;
}

void recorder::own(node_key node, node_owner owner) {
  const std::lock_guard lock{mutex_};
  nodes_.own(node, std::move(owner));
}

void recorder::copy(node_key original, node_key copy) {
  const std::lock_guard lock{mutex_};
  nodes_.copy(original, copy);
}

void recorder::name_stream(std::uint32_t stream, std::string name) {
  const std::lock_guard lock{mutex_};
  recorded_.stream_names[stream] = std::move(name);
}

void recorder::set_limit(double gb_s) {
  const std::lock_guard lock{mutex_};
  if (recorded_.limit_gb_s == 0.0) recorded_.limit_gb_s = gb_s;
}

std::pair<recording, node_map> recorder::take() {
  const std::lock_guard lock{mutex_};
  return {std::exchange(recorded_, {}), std::exchange(nodes_, {})};
}

}  // namespace ssugraph::timeline
