#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <ssugraph/rings.hpp>

using namespace ssugraph;
using namespace ssugraph::c_api;

namespace {

constexpr const char* tracker_dtypes = "int32";

/** What both structs say of their sequences. */
template <class Known, class Arguments>
void take_sequences(const Known& known, Arguments& args) {
  args.state_batch_indices =
      view_of("state_batch_indices", known.state_batch_indices, index_dtypes);
  args.cu_seqlens = view_of("cu_seqlens", known.cu_seqlens, index_dtypes);
  args.null_block_id = null_block_of(known);
  if (known.max_seqlen != 0) args.max_seqlen = known.max_seqlen;
  if (known.checkpoint_interval != 0) args.checkpoint_interval = known.checkpoint_interval;
}

}  // namespace

ssugraph_status ssugraph_plan_rings(const ssugraph_ring_plan_args* args, ssugraph_stream stream) {
  return guarded([&] {
    const ssugraph_ring_plan_args known = required("args", args);
    check_reserved("reserved", known.reserved);
    ring_plan_args given;
    given.ring_plan = view_of("ring_plan", known.ring_plan, tracker_dtypes);
    given.ring_cursor = view_of("ring_cursor", known.ring_cursor, tracker_dtypes);
    given.num_accepted_tokens =
        view_of("num_accepted_tokens", known.num_accepted_tokens, index_dtypes);
    given.ring_rows = known.ring_rows;
    take_sequences(known, given);
    plan_rings(given, stream);
  });
}

ssugraph_status ssugraph_plan_from_trackers(const ssugraph_tracker_plan_args* args,
                                            ssugraph_stream stream) {
  return guarded([&] {
    const ssugraph_tracker_plan_args known = required("args", args);
    check_reserved("reserved", known.reserved);
    tracker_plan_args given;
    given.ring_plan = view_of("ring_plan", known.ring_plan, tracker_dtypes);
    given.ring_start = view_of("ring_start", known.ring_start, tracker_dtypes);
    given.prev_tokens = view_of("prev_tokens", known.prev_tokens, tracker_dtypes);
    given.positions = view_of("positions", known.positions, tracker_dtypes);
    take_sequences(known, given);
    plan_from_trackers(given, stream);
  });
}
