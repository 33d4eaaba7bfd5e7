/**
 * Objects with static lifetime that use the library before main and after it. By argument: beside a
 * `thread` that goes on meanwhile, or after a main that used `cuda`, if it is there. No <iostream>:
 * the library may not count on a stream that this file makes.
 */

#include "tests/consumer/layer.hpp"

#if SSUGRAPH_HAS_C_API
#include <ssugraph/ssugraph.h>
#endif

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace {

using namespace ssugraph;

/** Ends the program at once: its destructors are what is tested. */
void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "static_objects: not so: %s\n", what);
  std::_Exit(EXIT_FAILURE);
}

/** Chooses the default backend, plans, runs. */
void call_eagerly(layer& of) {
  initialize_mamba_ssu_backend({.backend = "reference"});
  selective_state_update(args_of(&of), nullptr);
  ssu_dispatch{{.backend = "reference"}}.selective_state_update(args_of(&of), nullptr);
  expect(!backends_for(args_of(&of), {}).empty(), "backends answer");
}

void call_through_c() {
#if SSUGRAPH_HAS_C_API
  constexpr std::array<std::int32_t, 1> buckets{2};
  ssugraph_builder* builder = nullptr;
  expect(ssugraph_builder_create(nullptr, buckets.data(), buckets.size(), SSUGRAPH_TARGET_HOST,
                                 &builder) == SSUGRAPH_STATUS_SUCCESS,
         "a builder is made");
  expect(ssugraph_builder_destroy(builder) == SSUGRAPH_STATUS_SUCCESS, "and destroyed");
#endif
}

std::atomic<bool> has_thread = false;
std::atomic<int> calls_of_the_thread = 0;

void call_for_ever() {
  layer mine;
  for (;;) {
    ssu_dispatch{{.backend = "reference"}}.selective_state_update(args_of(&mine), nullptr);
    ++calls_of_the_thread;
  }
}

/** Made before anything of the library's, so that it ends behind that. */
struct calls_in_its_end {
  ~calls_in_its_end() {
    layer last;
    call_eagerly(last);
    call_through_c();
    replay_twice(&last, target::host, nullptr);
    const int before = calls_of_the_thread;
    while (has_thread && calls_of_the_thread < before + 100)
      std::this_thread::yield();
    std::fputs("static_objects: served to the end\n", stderr);
  }
} const the_last;

/** An engine as plugins have it: builds in its constructor, replays in its destructor. */
struct engine {
  engine()
      : lane{pipeline_builder{{}, bucket_policy{{2}}, target::host}
                 .ssu("layer", args_of(&memory))
                 .build()
                 .make_lane(nullptr)} {
    lane.replay(2, nullptr);
  }
  ~engine() {
    lane.replay(1, nullptr);
    expect(replayed_twice(memory), "the engine's replays are right");
  }

  layer memory;
  ssugraph::lane lane;
} the_engine;

}  // namespace

int main(int argc, char** argv) {
  const std::string_view with = argc == 2 ? argv[1] : "";
  layer in_main;
  call_eagerly(in_main);
  if (with == "cuda" && has_cuda_device()) std::fputs("static_objects: CUDA is in use\n", stderr);
  has_thread = with == "thread";
  if (has_thread) std::thread{call_for_ever}.detach();
}
