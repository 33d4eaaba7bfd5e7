#include "graphs/c_api/handles.hpp"
#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <ssugraph/reset_slots.hpp>
#include <ssugraph/slot_states.hpp>

#include <string>
#include <vector>

using namespace ssugraph;
using namespace ssugraph::c_api;

namespace {

std::vector<tensor_view> states_of(const DLTensor* const* states, std::size_t count,
                                   const char* dtypes) {
  std::vector<tensor_view> views;
  for (const DLTensor* state : array("states", states, count))
    views.push_back(view_of("states[" + std::to_string(views.size()) + "]", state, dtypes));
  return views;
}

std::vector<cache_view> caches_of(const ssugraph_cache* const* caches, std::size_t count) {
  std::vector<cache_view> views;
  for (const ssugraph_cache* cache : array("caches", caches, count)) {
    const std::string name = "caches[" + std::to_string(views.size()) + "]";
    const ssugraph_cache known = required(name.c_str(), cache);
    views.push_back({.state = view_of(name + ".state", known.state, state_dtypes),
                     .state_scale = view_of(name + ".state_scale", known.state_scale, "float32"),
                     .x_ring = view_of(name + ".x_ring", known.x_ring, floating_dtypes),
                     .B_ring = view_of(name + ".B_ring", known.B_ring, floating_dtypes),
                     .dt_ring = view_of(name + ".dt_ring", known.dt_ring, "float32"),
                     .ring_cursor = view_of(name + ".ring_cursor", known.ring_cursor, "int32"),
                     .rounding_key = view_of(name + ".rounding_key", known.rounding_key, "int64")});
  }
  return views;
}

/** A struct of zeros has no null block, or slot 0 would be skipped without a word. */
slot_list slots_of(const ssugraph_slot_list* given) {
  const ssugraph_slot_list known = required("slots", given);
  check_reserved("slots.reserved", known.reserved);
  const bool has_null = flag("slots.has_null_block", known.has_null_block);
  if (!has_null && known.null_block_id != 0) {
    throw invalid_argument{"slots.has_null_block",
                           "1 beside null_block_id " + std::to_string(known.null_block_id), "0"};
  }
  const tensor_view indices = view_of("slots.indices", known.indices, index_dtypes);
  if (!indices) throw invalid_argument{"slots.indices", "a tensor", "NULL"};
  return {indices, has_null ? known.null_block_id : -1};
}

tensor_view positions_of(const DLTensor* positions) {
  return view_of("positions", positions, index_dtypes);
}

}  // namespace

ssugraph_status ssugraph_reset_slots(const DLTensor* const* states, size_t state_count,
                                     const DLTensor* slots, ssugraph_stream stream) {
  return guarded([&] {
    const auto views = states_of(states, state_count, state_dtypes);
    reset_slots(views, view_of("slots", slots, index_dtypes), stream);
  });
}

// Arguments are looked at in their order, so that the first one that is wrong is named.

ssugraph_status ssugraph_reset_caches(const ssugraph_cache* const* caches, size_t cache_count,
                                      const ssugraph_slot_list* slots, ssugraph_stream stream) {
  return guarded([&] {
    const auto views = caches_of(caches, cache_count);
    reset_slots(views, slots_of(slots), stream);
  });
}

ssugraph_status ssugraph_load_slots(const ssugraph_cache* const* caches,
                                    const DLTensor* const* states, size_t cache_count,
                                    const ssugraph_slot_list* slots, ssugraph_stream stream) {
  return guarded([&] {
    const auto views = caches_of(caches, cache_count);
    const auto dense = states_of(states, cache_count, floating_dtypes);
    load_slots(views, dense, slots_of(slots), stream);
  });
}

ssugraph_status ssugraph_load_slots_at(const ssugraph_cache* const* caches,
                                       const DLTensor* const* states, size_t cache_count,
                                       const ssugraph_slot_list* slots, const DLTensor* positions,
                                       ssugraph_stream stream) {
  return guarded([&] {
    const auto views = caches_of(caches, cache_count);
    const auto dense = states_of(states, cache_count, floating_dtypes);
    const slot_list list = slots_of(slots);
    load_slots(views, dense, list, positions_of(positions), stream);
  });
}

ssugraph_status ssugraph_attach_slots(const ssugraph_cache* const* caches, size_t cache_count,
                                      const ssugraph_slot_list* slots, const DLTensor* positions,
                                      ssugraph_stream stream) {
  return guarded([&] {
    const auto views = caches_of(caches, cache_count);
    const slot_list list = slots_of(slots);
    attach_slots(views, list, positions_of(positions), stream);
  });
}

ssugraph_status ssugraph_store_slots(const ssugraph_cache* const* caches,
                                     const ssugraph_slot_list* slots, const DLTensor* const* states,
                                     size_t cache_count, ssugraph_stream stream) {
  return guarded([&] {
    const auto views = caches_of(caches, cache_count);
    const slot_list list = slots_of(slots);
    store_slots(views, list, states_of(states, cache_count, floating_dtypes), stream);
  });
}

ssugraph_status ssugraph_lane_reset_slots(const ssugraph_lane* lane,
                                          const ssugraph_slot_list* slots, ssugraph_stream stream) {
  return guarded([&] {
    const auto views = object_of(lane)->caches();
    reset_slots(views, slots_of(slots), stream);
  });
}

ssugraph_status ssugraph_lane_load_slots(const ssugraph_lane* lane, const DLTensor* const* states,
                                         size_t state_count, const ssugraph_slot_list* slots,
                                         ssugraph_stream stream) {
  return guarded([&] {
    const auto views = object_of(lane)->caches();
    const auto dense = states_of(states, state_count, floating_dtypes);
    load_slots(views, dense, slots_of(slots), stream);
  });
}

ssugraph_status ssugraph_lane_load_slots_at(const ssugraph_lane* lane,
                                            const DLTensor* const* states, size_t state_count,
                                            const ssugraph_slot_list* slots,
                                            const DLTensor* positions, ssugraph_stream stream) {
  return guarded([&] {
    const auto views = object_of(lane)->caches();
    const auto dense = states_of(states, state_count, floating_dtypes);
    const slot_list list = slots_of(slots);
    load_slots(views, dense, list, positions_of(positions), stream);
  });
}

ssugraph_status ssugraph_lane_attach_slots(const ssugraph_lane* lane,
                                           const ssugraph_slot_list* slots,
                                           const DLTensor* positions, ssugraph_stream stream) {
  return guarded([&] {
    const auto views = object_of(lane)->caches();
    const slot_list list = slots_of(slots);
    attach_slots(views, list, positions_of(positions), stream);
  });
}

ssugraph_status ssugraph_lane_store_slots(const ssugraph_lane* lane,
                                          const ssugraph_slot_list* slots,
                                          const DLTensor* const* states, size_t state_count,
                                          ssugraph_stream stream) {
  return guarded([&] {
    const auto views = object_of(lane)->caches();
    const slot_list list = slots_of(slots);
    store_slots(views, list, states_of(states, state_count, floating_dtypes), stream);
  });
}
