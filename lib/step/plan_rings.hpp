#pragma once

#include "lib/core/host_device.hpp"
#include "lib/step/ring.hpp"
#include "lib/step/sequence.hpp"

#include <ssugraph/rings.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>

/** Plans of eager calls. One source for the kernels and the host. */
namespace ssugraph::detail {

/** By cursors, which go on. */
struct cursor_planning {
  ring_rule ring;
  sequence_rule sequences;
  index_tensor plan;
  std::int64_t count;  ///< of the sequences
};

/** By the trackers of another engine. */
struct tracker_planning {
  sequence_rule sequences;
  index_tensor starts;
  index_tensor counts;
  index_tensor positions;  ///< may be absent
  std::int64_t interval;
  index_tensor plan;
  std::int64_t count;  ///< of the sequences
};

SSUGRAPH_HOST_DEVICE inline void write_plan_row(const cursor_planning& p, std::int64_t i) {
  const_cast<ring_plan_row&>(plan_row(p.plan, i)) = advance_ring(p.ring, p.sequences, i);
}

SSUGRAPH_HOST_DEVICE inline void write_plan_row(const tracker_planning& p, std::int64_t i) {
  const_cast<ring_plan_row&>(plan_row(p.plan, i)) =
      plan_from_trackers(p.sequences, p.starts, p.counts, p.positions, p.interval, i);
}

/** All rows, by one kernel in stream order. Throws cuda_error. */
void launch_planning(const cursor_planning& planning, stream_handle stream);
void launch_planning(const tracker_planning& planning, stream_handle stream);

}  // namespace ssugraph::detail
