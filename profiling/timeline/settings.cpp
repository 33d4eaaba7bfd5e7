#include "profiling/timeline/settings.hpp"

#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace ssugraph::timeline {
namespace {

constexpr std::size_t default_events = 200'000;
constexpr double default_limit = 0.0;

template <class Number>
Number number(const std::function<const char*(const char*)>& get, const char* name,
              Number otherwise) {
  const char* text = get(name);
  if (text == nullptr) return otherwise;
  Number value{};
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || rest != end || !(value > 0)) {
    throw std::invalid_argument{std::string{name} + ": expected a number above 0, got '" + text +
                                "'"};
  }
  return value;
}

}  // namespace

settings read_settings(const std::function<const char*(const char*)>& get, int process) {
  const char* path = get("SSUGRAPH_TIMELINE");
  std::string trace = path != nullptr ? path : "timeline-%p.json";
  const std::string_view process_mark = "%p";
  if (const std::size_t at = trace.find(process_mark); at != std::string::npos)
    trace.replace(at, process_mark.size(), std::to_string(process));
  const std::string_view suffix = ".json";
  const std::string stem =
      trace.ends_with(suffix) ? trace.substr(0, trace.size() - suffix.size()) : trace;
  return {trace, stem + ".txt", number(get, "SSUGRAPH_TIMELINE_EVENTS", default_events),
          number(get, "SSUGRAPH_TIMELINE_GB_S", default_limit)};
}

}  // namespace ssugraph::timeline
