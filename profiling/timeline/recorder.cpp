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
  if (event.graph != 0 || event.node != 0) {
    const std::lock_guard lock{mutex_};
    event.owner = nodes_.find({event.graph, event.node});
  }
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

void recorder::name_stream(std::uint32_t stream, std::string name) {
  const std::lock_guard lock{mutex_};
  recorded_.stream_names[stream] = std::move(name);
}

void recorder::set_limit(double gb_s) {
  const std::lock_guard lock{mutex_};
  if (recorded_.limit_gb_s == 0.0) recorded_.limit_gb_s = gb_s;
}

recording recorder::take() {
  const std::lock_guard lock{mutex_};
  recorded_.nodes = nodes_.size();
  return std::exchange(recorded_, {});
}

}  // namespace ssugraph::timeline
