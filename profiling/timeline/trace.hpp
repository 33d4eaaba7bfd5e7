#pragma once

#include "profiling/timeline/events.hpp"
#include "profiling/timeline/summary.hpp"

#include <iosfwd>
#include <span>

namespace ssugraph::timeline {

/**
 * Writes JSON of the trace-event format, for Perfetto and chrome://tracing: of the host a track a
 * thread with ranges and launches nested, of the device as many tracks a stream as kernels overlap
 * on it. Times count from the first event on.
 */
void write_trace(std::ostream& out, const recording& recorded,
                 std::span<const attributed_event> events);

}  // namespace ssugraph::timeline
