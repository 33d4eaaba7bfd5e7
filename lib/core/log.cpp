#include "lib/core/log.hpp"

#include <ssugraph/log.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace ssugraph {
namespace {

struct log_state {
  std::recursive_mutex mutex;  ///< held by a sink that runs, and it may set another one
  std::shared_ptr<const log_sink> sink;
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

/** Whether news are written where no sink takes them. */
bool wants_news() {
  static const bool wanted = [] {
    const char* const level = std::getenv("SSUGRAPH_LOG");
    return level != nullptr && std::string_view{level} == "info";
  }();
  return wanted;
}

thread_local bool inside_sink = false;

/** Marks this thread as one that a sink runs on. */
struct sink_visit {
  sink_visit() noexcept { inside_sink = true; }
  sink_visit(const sink_visit&) = delete;
  sink_visit& operator=(const sink_visit&) = delete;
  ~sink_visit() { inside_sink = false; }
};

/** To the sink; without one to stderr, or nowhere. */
void send(std::string_view line, bool to_stderr) {
  const auto send_on = [&] {
    if (to_stderr) write_to_stderr(line);
  };
  if (inside_sink) return send_on();
  std::shared_ptr<const log_sink> sink;  // outlives the lock, if it sets another one
  const std::lock_guard lock{the_log().mutex};
  sink = the_log().sink;
  if (!sink) return send_on();
  const sink_visit visit;
  (*sink)(line);
}

}  // namespace

void set_log_sink(log_sink sink) {
  std::shared_ptr<const log_sink> other;
  if (sink) other = std::make_shared<const log_sink>(std::move(sink));
  const std::lock_guard lock{the_log().mutex};
  the_log().sink.swap(other);  // the one before ends once the lock is open again
}

void detail::log_info(std::string_view line) {
  send(line, wants_news());
}

void detail::log_warning(std::string_view line) {
  send(line, true);
}

}  // namespace ssugraph
