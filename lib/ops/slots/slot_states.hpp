#pragma once

#include "lib/core/launch_limits.hpp"
#include "lib/device/octet.hpp"
#include "lib/ops/slots/slot_entries.hpp"

#include <ssugraph/cache_view.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <span>

namespace ssugraph::detail {

/** A row of dstate is a warp's at most, eight elements a thread. */
inline constexpr int most_of_row = warp_threads * octet_size;

/** What a layer keeps and its dense states, with all axes, checked. */
struct slot_layer {
  cache_view cache;
  tensor_view dense;
};

/** The kernels behind ssugraph::load_slots and store_slots, of `count` entries, which are checked.
 * A load empties the rings of the cursors that its caches have. */
void launch_load_slots(std::span<const slot_layer> layers, const slot_entries& entries,
                       std::int64_t count, stream_handle stream);
void launch_store_slots(std::span<const slot_layer> layers, const slot_entries& entries,
                        std::int64_t count, stream_handle stream);

}  // namespace ssugraph::detail
