#include "profiling/timeline/trace.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::timeline {
namespace {

using json = nlohmann::ordered_json;

constexpr int host_pid = 1;
/** Of device 0. */
constexpr int first_device_pid = 2;

json event_of(const char* phase, int pid, std::uint32_t tid, const std::string& name) {
  return {{"name", name}, {"ph", phase}, {"pid", pid}, {"tid", tid}};
}

json named(const char* what, int pid, std::uint32_t tid, const std::string& name) {
  json event = event_of("M", pid, tid, what);
  event["args"] = {{"name", name}};
  return event;
}

/** Events with their times, for sorting; metadata has time 0. */
class track_writer {
 public:
  explicit track_writer(std::uint64_t first) : first_{first} {}

  void add(json event) { events_.emplace_back(first_, std::move(event)); }
  void add(json event, std::uint64_t at) {
    event["ts"] = us(at - first_);
    events_.emplace_back(at, std::move(event));
  }
  /** Microseconds, as the format has them. */
  static double us(std::uint64_t nanoseconds) { return 1e-3 * static_cast<double>(nanoseconds); }

  /** Stable: what was added first comes first where times are the same. */
  std::vector<std::pair<std::uint64_t, json>> sorted() && {
    std::ranges::stable_sort(events_, {}, [](const auto& event) { return event.first; });
    return std::move(events_);
  }

 private:
  std::uint64_t first_;
  std::vector<std::pair<std::uint64_t, json>> events_;
};

/** Something on a host thread. */
struct host_slice {
  interval time;
  std::string name;
  const char* category;
  json args;
};

/** Writes the slices of one thread as pairs of B and E. */
void write_nested(track_writer& out, std::uint32_t thread, std::vector<host_slice> slices) {
  std::ranges::stable_sort(slices, {}, [](const host_slice& one) {
    return std::pair{one.time.begin, std::numeric_limits<std::uint64_t>::max() - one.time.end};
  });
  std::vector<std::pair<std::uint64_t, std::string>> open;  // ends and names, the innermost last
  const auto close_until = [&](std::uint64_t time) {
    for (; !open.empty() && open.back().first <= time; open.pop_back())
      out.add(event_of("E", host_pid, thread, open.back().second), open.back().first);
  };
  for (host_slice& slice : slices) {
    close_until(slice.time.begin);
    const std::uint64_t end =
        open.empty() ? slice.time.end : std::min(slice.time.end, open.back().first);
    json begin = event_of("B", host_pid, thread, slice.name);
    begin["cat"] = slice.category;
    if (!slice.args.empty()) begin["args"] = std::move(slice.args);
    out.add(std::move(begin), slice.time.begin);
    open.emplace_back(end, std::move(slice.name));
  }
  close_until(std::numeric_limits<std::uint64_t>::max());
}

void write_host(track_writer& out, const recording& recorded) {
  std::map<std::uint32_t, std::vector<host_slice>> threads;
  for (const host_range& range : recorded.ranges) {
    json args = json::object();
    if (!range.domain.empty()) args["domain"] = range.domain;
    if (!range.category.empty()) args["category"] = range.category;
    if (range.payload) args["payload"] = *range.payload;
    threads[range.thread].push_back({range.time, range.name, "range", std::move(args)});
  }
  for (const host_launch& launch : recorded.launches) {
    threads[launch.thread].push_back(
        {launch.time, launch.name, "launch", {{"correlation", launch.correlation}}});
  }
  out.add(named("process_name", host_pid, 0, recorded.program));
  for (auto& [thread, slices] : threads) {
    out.add(named("thread_name", host_pid, thread, "thread " + std::to_string(thread)));
    write_nested(out, thread, std::move(slices));
  }
}

json arguments(const attributed_event& one, double limit_gb_s) {
  const device_event& event = *one.event;
  json args{{"kernel", event.name},
            {"exclusive_us", track_writer::us(one.exclusive)},
            {"correlation", event.correlation}};
  if (one.kin != kinship::outside) {
    args["graph"] = event.graph;
    args["node"] = event.node;
  }
  if (one.owner == nullptr) return args;
  args["step"] = one.owner->step;
  args["bucket"] = one.owner->bucket;
  if (one.batch) args["batch"] = *one.batch;
  if (one.owner->layer < 0) return args;
  args["layer"] = one.owner->layer;
  args["plan"] = one.owner->plan;
  args["bytes"] = one.bytes;
  if (one.step_exclusive == 0) return args;
  const double gb_s = static_cast<double>(one.bytes) / static_cast<double>(one.step_exclusive);
  args["gb_s"] = gb_s;
  if (limit_gb_s > 0.0) args["share_of_limit"] = gb_s / limit_gb_s;
  return args;
}

const char* category(kinship kin) {
  switch (kin) {
    case kinship::step:
      return "step";
    case kinship::unattributed:
      return "unattributed";
    case kinship::outside:
      return "outside graphs";
  }
  return "";
}

/** A stream's name, and which of its tracks it is where kernels overlap. */
std::string track_name(const recording& recorded, std::uint32_t stream, std::size_t level) {
  std::string name = "stream " + std::to_string(stream);
  if (const auto given = recorded.stream_names.find(stream); given != recorded.stream_names.end())
    name += " (" + given->second + ")";
  return level == 0 ? name : name + ", overlapping";
}

void write_device(track_writer& out, const recording& recorded,
                  std::span<const attributed_event> events) {
  struct track {
    std::uint32_t tid;
    std::uint64_t busy_until;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<track>> tracks;
  std::map<std::uint32_t, std::uint32_t> tracks_of_device;
  for (const attributed_event& one : events) {
    const device_event& event = *one.event;
    const int pid = first_device_pid + static_cast<int>(event.device);
    std::uint32_t& used = tracks_of_device[event.device];
    if (used == 0)
      out.add(named("process_name", pid, 0, "CUDA device " + std::to_string(event.device)));
    std::vector<track>& levels = tracks[{event.device, event.stream}];
    auto level = std::ranges::find_if(
        levels, [&](const track& one_track) { return one_track.busy_until <= event.time.begin; });
    if (level == levels.end()) {
      out.add(named("thread_name", pid, used, track_name(recorded, event.stream, levels.size())));
      level = levels.insert(levels.end(), track{used++, 0});
    }
    level->busy_until = event.time.end;
    json slice =
        event_of("X", pid, level->tid, one.owner != nullptr ? one.owner->step : event.name);
    slice["cat"] = category(one.kin);
    slice["dur"] = track_writer::us(event.time.end - event.time.begin);
    slice["args"] = arguments(one, recorded.limit_gb_s);
    out.add(std::move(slice), event.time.begin);
  }
}

std::uint64_t first_time(const recording& recorded, std::span<const attributed_event> events) {
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  for (const host_range& range : recorded.ranges)
    first = std::min(first, range.time.begin);
  for (const host_launch& launch : recorded.launches)
    first = std::min(first, launch.time.begin);
  for (const attributed_event& one : events)
    first = std::min(first, one.event->time.begin);
  return first;
}

}  // namespace

void write_trace(std::ostream& out, const recording& recorded,
                 std::span<const attributed_event> events) {
  track_writer tracks{first_time(recorded, events)};
  write_host(tracks, recorded);
  write_device(tracks, recorded, events);
  const auto printed = [](const json& what) {
    return what.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  // One event a line, for people and for tools that read lines.
  out << "{\"displayTimeUnit\": \"ns\",\n\"otherData\": "
      << printed({{"program", recorded.program},
                  {"limit_gb_s", recorded.limit_gb_s},
                  {"dropped", recorded.dropped},
                  {"graph_nodes", recorded.nodes}})
      << ",\n\"traceEvents\": [";
  const char* separator = "\n";
  for (const auto& [time, event] : std::move(tracks).sorted()) {
    out << separator << printed(event);
    separator = ",\n";
  }
  out << "\n]}\n";
}

}  // namespace ssugraph::timeline
