/** What the library says on stderr, by itself: of its news, and of what a log sink is told
 * meanwhile. By argument `sink` it has one. CTest sets the environment and reads what comes out. */

#include "tests/consumer/layer.hpp"

#include <cstdio>
#include <string>
#include <string_view>

namespace {

using namespace ssugraph;

/** Two lines of news. */
void give_news() {
  initialize_mamba_ssu_backend({.backend = "reference"});
  layer memory;
  replay_twice(&memory, target::host, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const bool has_sink = argc == 2 && std::string_view{argv[1]} == "sink";
  int lines = 0;
  if (has_sink) {
    set_log_sink([&](std::string_view) {
      if (++lines == 1) initialize_mamba_ssu_backend({.backend = "reference"});
    });
  }
  give_news();
  set_log_sink({});
  std::printf("log: the sink got %d lines\n", lines);
}
