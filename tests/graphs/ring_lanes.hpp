#pragma once

#include "tests/graphs/replay.hpp"
#include "tests/support/ring_execution.hpp"

namespace ssugraph::test {

/** One layer built and recorded once, then run step by step: cursors are its prologue's. Its
 *  buckets are half of the capacity, and all of it, of one plan. */
[[nodiscard]] ring_execution recorded_rings(target where, lane_call call);
/** The same by plans of the caller's, as of an engine that keeps trackers of its own. */
[[nodiscard]] ring_execution recorded_plans(target where, lane_call call);

}  // namespace ssugraph::test
