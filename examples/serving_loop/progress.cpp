#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace serving_loop {
namespace {

constexpr std::chrono::milliseconds pause{100};
constexpr std::size_t width = 40;
constexpr auto clear_line = "\r\x1b[K";

}  // namespace

progress_bar::progress_bar(const trace& requests) : on_terminal_{isatty(STDERR_FILENO) == 1} {
  for (const request& each : requests)
    total_tokens_ += each.generated_tokens;
}

progress_bar::~progress_bar() {
  if (on_terminal_) std::fputs(clear_line, stderr);
}

void progress_bar::show(const scheduler& schedule, std::int32_t batch) {
  const auto now = std::chrono::steady_clock::now();
  if (!on_terminal_ || now < next_) return;
  next_ = now + pause;
  const double share = double(schedule.tokens()) / double(total_tokens_);
  const auto full = static_cast<std::size_t>(share * width);
  fmt::print(stderr, "{}[{}{}] {:3.0f}%  {} tokens, batch {}, {} queued", clear_line,
             std::string(full, '#'), std::string(width - full, ' '), 100 * share, schedule.tokens(),
             batch, schedule.queued());
  std::fflush(stderr);
}

}  // namespace serving_loop
