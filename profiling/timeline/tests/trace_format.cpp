#include "profiling/timeline/tests/trace_format.hpp"

#include <map>
#include <utility>

namespace ssugraph::timeline::test {
namespace {

using nlohmann::json;

/** What one track has open. */
struct track {
  std::vector<std::string> open;  ///< names of B, the innermost last
  std::vector<double> ends;       ///< of X, the innermost last
};

class checker {
 public:
  std::vector<std::string> check(const json& trace) && {
    if (!trace.is_object() || !trace.contains("traceEvents") || !trace["traceEvents"].is_array()) {
      problems_.push_back("expected an object with an array traceEvents");
      return problems_;
    }
    for (const json& event : trace["traceEvents"])
      check_event(event);
    for (const auto& [place, one] : tracks_) {
      for (const std::string& name : one.open)
        problems_.push_back("'" + name + "' is never ended");
    }
    return problems_;
  }

 private:
  void check_event(const json& event) {
    if (!event.is_object()) return complain(event, "is no object");
    for (const char* field : {"name", "ph"}) {
      if (!event.contains(field) || !event[field].is_string())
        return complain(event, std::string{"lacks a text "} + field);
    }
    for (const char* field : {"pid", "tid"}) {
      if (!event.contains(field) || !event[field].is_number_integer())
        return complain(event, std::string{"lacks an integer "} + field);
    }
    if (event.contains("cat") && !event["cat"].is_string()) complain(event, "has a cat of no text");
    if (event.contains("args") && !event["args"].is_object())
      complain(event, "has args of no object");
    const std::string phase = event["ph"];
    if (phase == "M") return check_metadata(event);
    if (!event.contains("ts") || !event["ts"].is_number() || event["ts"] < 0)
      return complain(event, "lacks a time of 0 or more");
    if (event["ts"] < last_) complain(event, "comes after one of a later time");
    last_ = event["ts"];
    track& on = tracks_[{event["pid"], event["tid"]}];
    if (phase == "B") {
      on.open.push_back(event["name"]);
    } else if (phase == "E") {
      check_end(event, on);
    } else if (phase == "X") {
      check_complete(event, on);
    } else {
      complain(event, "has an unknown phase");
    }
  }

  void check_metadata(const json& event) {
    if (event["name"] != "process_name" && event["name"] != "thread_name")
      return complain(event, "is unknown metadata");
    if (!event.contains("args") || !event["args"].contains("name") ||
        !event["args"]["name"].is_string()) {
      complain(event, "lacks args.name");
    }
  }

  void check_end(const json& event, track& on) {
    if (on.open.empty()) return complain(event, "ends what never began");
    if (on.open.back() != event["name"]) complain(event, "ends '" + on.open.back() + "'");
    on.open.pop_back();
  }

  void check_complete(const json& event, track& on) {
    if (!event.contains("dur") || !event["dur"].is_number() || event["dur"] < 0)
      return complain(event, "lacks a duration of 0 or more");
    const double begin = event["ts"];
    const double end = begin + event["dur"].get<double>();
    // Half a nanosecond: sums of decimals are not exact.
    constexpr double rounding = 0.0005;
    while (!on.ends.empty() && on.ends.back() <= begin + rounding)
      on.ends.pop_back();
    if (!on.ends.empty() && end > on.ends.back() + rounding)
      complain(event, "overlaps what its track still runs");
    on.ends.push_back(end);
  }

  void complain(const json& event, const std::string& what) {
    problems_.push_back(event.dump() + " " + what);
  }

  double last_ = 0.0;
  std::map<std::pair<std::int64_t, std::int64_t>, track> tracks_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> problems_of(const json& trace) {
  return checker{}.check(trace);
}

}  // namespace ssugraph::timeline::test
