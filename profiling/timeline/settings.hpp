#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace ssugraph::timeline {

/** What the environment says. */
struct settings {
  std::string trace_file;       ///< SSUGRAPH_TIMELINE; %p in it is the process
  std::string table_file;       ///< beside it, .txt
  std::size_t most_events = 0;  ///< SSUGRAPH_TIMELINE_EVENTS, of each kind
  double limit_gb_s = 0.0;      ///< SSUGRAPH_TIMELINE_GB_S; 0: the device's memory clock and width
};

/** Looks variables up by `get`, which gives null where one is not set. Throws
 * std::invalid_argument. */
[[nodiscard]] settings read_settings(const std::function<const char*(const char*)>& get,
                                     int process);

}  // namespace ssugraph::timeline
