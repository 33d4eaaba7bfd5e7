/** Calls that fail when their thread's text has ended already: at the end of a thread and of the
 *  program. */

#include <ssugraph/ssugraph.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

namespace {

/** Ends the program at once: its destructors are what is tested. */
void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "at_exit: not so: %s\n", what);
  std::_Exit(EXIT_FAILURE);
}

/** Fails with a text that a std::string must allocate for. */
void fail() {
  expect(ssugraph_lane_replay(nullptr, 1, nullptr) == SSUGRAPH_STATUS_INVALID_ARGUMENT,
         "a call without a lane is an invalid argument");
}

struct calls_in_its_end {
  ~calls_in_its_end() {
    for (int i = 0; i < 2; ++i) {
      fail();
      expect(std::string_view{ssugraph_last_error()}.empty(), "there is no text any more");
    }
    std::fputs("at_exit: two calls failed\n", stderr);
  }
};

// Before the library's own, so that it ends behind that.
const calls_in_its_end of_the_program;

void begin_and_fail() {
  static thread_local const calls_in_its_end of_the_thread;
  static_cast<void>(of_the_thread);
  fail();
  expect(std::strlen(ssugraph_last_error()) > 32, "there is a long text");
}

}  // namespace

int main() {
  std::thread{begin_and_fail}.join();
  begin_and_fail();
}
