#include "tests/graphs/ring_lanes.hpp"
#include "tests/graphs/target_suite.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

/** Random steps of checkpointed states through lanes for SSUGRAPH_SOAK_SECONDS (default 2), each
 *  against float64: requests that begin and end, lengths and acceptance, nulls, formats. */
namespace ssugraph::test {
namespace {

using soak_clock = std::chrono::steady_clock;

double soak_seconds() {
  const char* text = std::getenv("SSUGRAPH_SOAK_SECONDS");
  return text == nullptr ? 2.0 : std::atof(text);
}

class ring_soak : public target_suite {
 protected:
  struct counts {
    long lives = 0, steps = 0, checkpoints = 0;
    double drift = 0;
  };

  /** A lane and its requests, for some hundred steps. */
  static void one_life(std::uint64_t seed, soak_clock::time_point end, counts& done) {
    random_engine engine{seed};
    const ring_spec spec = random_ring_spec(engine);
    SCOPED_TRACE(to_string(spec) + "; seed " + std::to_string(seed));
    const lane_call call = chance(engine, 0.8) ? lane_call::replay : lane_call::run_eager;
    ring_run run{spec, recorded_rings(GetParam(), call), engine};
    for (int step = 0; step < 300 && soak_clock::now() < end; ++step)
      ASSERT_TRUE(run.random_step());
    ++done.lives;
    done.steps += run.errors().steps;
    done.checkpoints += run.errors().checkpoints;
    done.drift = std::max(done.drift, run.errors().drift);
  }
};

TEST_P(ring_soak, of_random_steps_agrees_with_float64) {
  const auto end = soak_clock::now() + std::chrono::duration_cast<soak_clock::duration>(
                                           std::chrono::duration<double>(soak_seconds()));
  counts done;
  do {
    const std::uint64_t seed = base_seed() + static_cast<std::uint64_t>(done.lives);
    ASSERT_NO_FATAL_FAILURE(one_life(seed, end, done));
  } while (soak_clock::now() < end);
  std::printf(
      "seed %llu: %ld lanes, %ld steps, %ld checkpoints, drift at most %.2f of what "
      "roundings add up to\n",
      static_cast<unsigned long long>(base_seed()), done.lives, done.steps, done.checkpoints,
      done.drift);
}

SSUGRAPH_ON_BOTH_TARGETS(ring_soak);

}  // namespace
}  // namespace ssugraph::test
