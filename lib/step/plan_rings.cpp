#include "lib/step/plan_rings.hpp"

#include "lib/core/alignment.hpp"
#include "lib/core/device.hpp"
#include "lib/core/overlap.hpp"
#include "lib/core/reach.hpp"
#include "lib/step/check_ring.hpp"
#include "lib/step/planned_step.hpp"
#if SSUGRAPH_CUDA
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#endif

#include <ssugraph/error.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace ssugraph {
namespace {

using namespace detail;

constexpr std::int64_t most_sequences = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t cursor_columns = sizeof(ring_cursor) / sizeof(std::int32_t);
constexpr std::int64_t plan_columns = sizeof(ring_plan_row) / sizeof(std::int32_t);

/** A tensor of a call. */
struct named_tensor {
  const char* name;
  tensor_view view;
  bool is_written = false;
  bool may_be_wide = false;  ///< int64 instead of int32
  bool is_optional = false;
};

void check_dtypes(std::span<const named_tensor> tensors) {
  for (const auto& [name, view, is_written, may_be_wide, is_optional] : tensors) {
    if (!view && is_optional) continue;
    if (!view) throw invalid_argument{name, "a tensor", "nothing"};
    check_reach(name, view);
    if (view.dtype() == dtype::int32 || (may_be_wide && view.dtype() == dtype::int64)) continue;
    throw invalid_argument{name, may_be_wide ? "int32 or int64" : "int32", to_string(view)};
  }
}

/** A count or a tracker: one axis, of at least so many entries. */
void check_list(const char* name, const tensor_view& list, std::int64_t entries) {
  if (!list || (list.rank() == 1 && list.extent(0) >= entries)) return;
  throw invalid_argument{name, "shape (" + std::to_string(entries) + ")", to_string(list)};
}

/** How many there are: bounds say, else the rows of the plan. Checks what tells of them. */
std::int64_t count_sequences(const tensor_view& plan, const tensor_view& indices,
                             const tensor_view& bounds, std::int64_t max_seqlen) {
  if (!bounds && max_seqlen != 1) {
    throw invalid_argument{"cu_seqlens",
                           "a tensor, for max_seqlen is " + std::to_string(max_seqlen), "nothing"};
  }
  if (bounds) check_list("cu_seqlens", bounds, 1);
  const std::int64_t count = bounds ? bounds.extent(0) - 1 : plan.rank() > 0 ? plan.extent(0) : 0;
  if (count > most_sequences)
    throw invalid_argument{"ring_plan", "at most 2^31 - 1 rows", to_string(plan)};
  check_ring_rows("ring_plan", plan, count, plan_columns);
  if (!indices) return count;
  const bool is_table = indices.rank() == 2 && indices.extent(1) > 0;
  if ((indices.rank() != 1 && !is_table) || indices.extent(0) < count) {
    throw invalid_argument{"state_batch_indices",
                           "shape (n) or (n, T), n = " + std::to_string(count), to_string(indices)};
  }
  return count;
}

/** Without indices, sequence i has slot i. */
void check_slots(const char* name, const tensor_view& of_slots, bool has_indices,
                 std::int64_t count) {
  if (has_indices || of_slots.extent(0) >= count) return;
  throw invalid_argument{name,
                         "a slot for each of " + std::to_string(count) +
                             " sequences, there being no state_batch_indices",
                         to_string(of_slots)};
}

/** What is written is apart from itself and all else. All lies where the plan does; there. */
device check_memory(std::span<const named_tensor> tensors) {
  const device home = device_of(tensors.front().view.data());
  for (const named_tensor& each : tensors) {
    if (!each.view || each.view.size() == 0) continue;
    check_address(each.name, each.view);
    if (const device where = device_of(each.view.data()); where != home) {
      throw invalid_argument{each.name, describe_memory(home) + " as " + tensors.front().name,
                             describe_memory(where)};
    }
  }
  for (const named_tensor& each : tensors) {
    if (!each.is_written) continue;
    if (overlaps_itself(each.view)) {
      throw invalid_argument{each.name, "no element on top of another, for it is written",
                             to_string(each.view)};
    }
    for (const named_tensor& other : tensors) {
      if (&other == &each || !other.view || !may_overlap(each.view, other.view)) continue;
      throw invalid_argument{each.name, std::string{"no byte shared with "} + other.name,
                             describe_overlap(each.view, other.view, other.name)};
    }
  }
  return home;
}

/** What `args` says of sequences that have one of `slots` slots each. */
template <class Arguments>
sequence_rule rule_of(const Arguments& args, std::int64_t slots) {
  return {.indices = index_of(args.state_batch_indices),
          .dst_indices = {},
          .accepted = {},
          .cu_seqlens = index_of(args.cu_seqlens),
          .slots = slots,
          .dst_slots = slots,
          .rows = std::numeric_limits<std::int64_t>::max(),
          .max_seqlen = args.max_seqlen,
          .null_block_id = args.null_block_id,
          .is_apart = false};
}

template <class Planning>
void run(const Planning& planning, device home, stream_handle stream) {
  if (planning.count == 0) return;
  if (home.is_host()) {
    for (std::int64_t i = 0; i < planning.count; ++i)
      write_plan_row(planning, i);
    return;
  }
#if SSUGRAPH_CUDA
  const device_guard guard{home.ordinal};
  const relaxed_capture relaxed;  // a first launch loads its kernel
  launch_planning(planning, stream);
#else
  (void)stream;
#endif
}

}  // namespace

void plan_rings(const ring_plan_args& args, stream_handle stream) {
  const std::vector<named_tensor> tensors{
      {.name = "ring_plan", .view = args.ring_plan, .is_written = true},
      {.name = "ring_cursor", .view = args.ring_cursor, .is_written = true},
      {"state_batch_indices", args.state_batch_indices, false, true, true},
      {"num_accepted_tokens", args.num_accepted_tokens, false, true, true},
      {"cu_seqlens", args.cu_seqlens, false, true, true}};
  check_dtypes(tensors);
  check_ring_interval(args.checkpoint_interval, args.max_seqlen);
  check_ring_length("ring_rows", args.ring_rows, args.checkpoint_interval, args.max_seqlen);
  const std::int64_t count =
      count_sequences(args.ring_plan, args.state_batch_indices, args.cu_seqlens, args.max_seqlen);
  check_ring_rows("ring_cursor", args.ring_cursor, 0, cursor_columns);
  check_ring_slots("ring_cursor", args.ring_cursor);
  check_slots("ring_cursor", args.ring_cursor, static_cast<bool>(args.state_batch_indices), count);
  check_list("num_accepted_tokens", args.num_accepted_tokens, count);
  const device home = check_memory(tensors);
  const std::int64_t slots = args.ring_cursor.extent(0);
  run(cursor_planning{.ring = {.cursor = index_of(args.ring_cursor),
                               .accepted = index_of(args.num_accepted_tokens),
                               .slots = slots,
                               .rows = args.ring_rows,
                               .interval = args.checkpoint_interval},
                      .sequences = rule_of(args, slots),
                      .plan = index_of(args.ring_plan),
                      .count = count},
      home, stream);
}

void plan_from_trackers(const tracker_plan_args& args, stream_handle stream) {
  const std::vector<named_tensor> tensors{
      {.name = "ring_plan", .view = args.ring_plan, .is_written = true},
      {.name = "ring_start", .view = args.ring_start},
      {.name = "prev_tokens", .view = args.prev_tokens},
      {.name = "positions", .view = args.positions, .is_optional = true},
      {"state_batch_indices", args.state_batch_indices, false, true, true},
      {"cu_seqlens", args.cu_seqlens, false, true, true}};
  check_dtypes(tensors);
  check_ring_interval(args.checkpoint_interval, args.max_seqlen);
  const std::int64_t count =
      count_sequences(args.ring_plan, args.state_batch_indices, args.cu_seqlens, args.max_seqlen);
  check_list("ring_start", args.ring_start, 0);
  check_slots("ring_start", args.ring_start, static_cast<bool>(args.state_batch_indices), count);
  check_ring_slots("ring_start", args.ring_start);
  const std::int64_t slots = args.ring_start.extent(0);
  check_list("prev_tokens", args.prev_tokens, slots);
  check_list("positions", args.positions, slots);
  const device home = check_memory(tensors);
  run(tracker_planning{.sequences = rule_of(args, slots),
                       .starts = index_of(args.ring_start),
                       .counts = index_of(args.prev_tokens),
                       .positions = index_of(args.positions),
                       .interval = args.checkpoint_interval,
                       .plan = index_of(args.ring_plan),
                       .count = count},
      home, stream);
}

}  // namespace ssugraph
