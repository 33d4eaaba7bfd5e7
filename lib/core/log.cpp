#include "lib/core/log.hpp"

#include <ssugraph/ssu.hpp>

#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

namespace ssugraph {
namespace {

struct log_state {
  std::mutex mutex;
  log_sink sink;
};

/** Never destroyed: objects with static lifetime may have something to say later than this would.
 */
log_state& the_log() {
  static log_state& instance = *new log_state;
  return instance;
}

/** Not through std::cerr, which a file that does not include <iostream> may find unmade before
 *  main. By one call, so that lines of several processes do not mingle. */
void write_to_stderr(std::string_view line) {
  const std::string text = "ssugraph: " + std::string{line} + '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace

void set_log_sink(log_sink sink) {
  const std::lock_guard lock{the_log().mutex};
  the_log().sink = std::move(sink);
}

void detail::log_line(std::string_view line) {
  const std::lock_guard lock{the_log().mutex};
  if (the_log().sink) return the_log().sink(line);
  write_to_stderr(line);
}

}  // namespace ssugraph
