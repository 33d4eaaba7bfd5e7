#pragma once

#include "lib/core/host_device.hpp"
#include "lib/step/ring.hpp"
#include "lib/step/sequence.hpp"

#include <ssugraph/rings.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstddef>
#include <cstdint>

/** What entries of a list of slots are about, and the ring that a state starts with: one source for
 *  the kernels and the CPU. */
namespace ssugraph::detail {

/** A list of slots on its way into kernels. */
struct slot_entries {
  index_tensor slots;      ///< (n)
  index_tensor positions;  ///< (n); absent: all 0
  std::int64_t null_block_id;
};

SSUGRAPH_HOST_DEVICE inline std::int64_t position_of(const slot_entries& entries, std::int64_t i) {
  return entries.positions.data == nullptr
             ? 0
             : load_index(entries.positions, i * entries.positions.stride[0]);
}

/** The slot of entry `i` where there are `slots`; no_slot: the entry is skipped, for its slot or,
 * of a slot that is not, for a position that no cursor has. */
SSUGRAPH_HOST_DEVICE inline std::int64_t slot_of(const slot_entries& entries, std::int64_t slots,
                                                 std::int64_t i) {
  const std::int64_t slot = live_slot(entries, entries.slots, slots, i, 0);
  if (slot == no_slot) return no_slot;
  const std::int64_t position = position_of(entries, i);
  return position >= 0 && position <= max_ring_position ? slot : no_slot;
}

/** Cursors of slots; absent if `data` is null. */
struct cursor_rows {
  std::byte* data;
  std::int64_t pitch;  ///< bytes
};

/** Of a checked cursor, or of none. */
inline cursor_rows rows_of_cursor(const tensor_view& cursor) {
  return {static_cast<std::byte*>(cursor.data()), cursor.stride(0) * size_of(cursor.dtype())};
}

/** Slot `slot` has an empty ring, on a state that has seen `position` tokens. */
SSUGRAPH_HOST_DEVICE inline void empty_ring(const cursor_rows& cursors, std::int64_t slot,
                                            std::int64_t position) {
  *reinterpret_cast<ring_cursor*>(cursors.data + slot * cursors.pitch) =
      ring_cursor{0, 0, 0, static_cast<std::int32_t>(position)};
}

}  // namespace ssugraph::detail
