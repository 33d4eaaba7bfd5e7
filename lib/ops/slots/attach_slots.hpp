#pragma once

#include "lib/ops/slots/slot_entries.hpp"

#include <ssugraph/stream.hpp>

#include <cstdint>
#include <span>

namespace ssugraph::detail {

/** The cursors of some layers. */
struct attached_cursor {
  cursor_rows rows;
  std::int64_t slots;
};

/** The kernel behind ssugraph::attach_slots, of `count` entries, which are checked. */
void launch_attach_slots(std::span<const attached_cursor> cursors, const slot_entries& entries,
                         std::int64_t count, stream_handle stream);

}  // namespace ssugraph::detail
