#include "lib/ops/slots/attach_slots.hpp"

#include "lib/core/device.hpp"
#include "lib/ops/slots/canonical_cache.hpp"
#include "lib/ops/slots/slot_tensors.hpp"
#if SSUGRAPH_CUDA
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#endif

#include <ssugraph/device.hpp>
#include <ssugraph/slot_states.hpp>

#include <array>
#include <vector>

namespace ssugraph {
namespace {

using detail::attached_cursor;
using detail::slot_entries;

void attach_on_host(std::span<const attached_cursor> cursors, const slot_entries& entries,
                    std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (const auto& [rows, slots] : cursors) {
      const std::int64_t slot = detail::slot_of(entries, slots, i);
      if (slot != detail::no_slot) detail::empty_ring(rows, slot, detail::position_of(entries, i));
    }
  }
}

}  // namespace

void attach_slots(std::span<const cache_view> caches, const slot_list& slots,
                  const tensor_view& positions, stream_handle stream) {
  detail::check_slots(slots);
  detail::check_positions(positions, slots);
  const std::vector<cache_view> canonical = detail::canonical_caches(caches);
  const std::int64_t count = slots.indices.extent(0);
  if (count == 0) return;
  const device home = detail::device_of(slots.indices.data());
  std::vector<detail::slot_tensor> tensors =
      detail::tensors_of(canonical, std::array{&cache_view::ring_cursor});
  tensors.push_back({"slots", slots.indices, false});
  tensors.push_back({"positions", positions, false});
  detail::check_memory(tensors, home);
  detail::check_written(tensors);
  std::vector<attached_cursor> cursors;
  for (const cache_view& cache : canonical) {
    if (cache.ring_cursor)
      cursors.push_back({detail::rows_of_cursor(cache.ring_cursor), cache.ring_cursor.extent(0)});
  }
  if (cursors.empty()) return;
  const slot_entries entries = detail::entries_of(slots, positions);
  if (home.is_host()) return attach_on_host(cursors, entries, count);
#if SSUGRAPH_CUDA
  const detail::device_guard guard{home.ordinal};
  const detail::relaxed_capture relaxed;  // a first launch loads its kernel
  detail::launch_attach_slots(cursors, entries, count, stream);
#else
  (void)stream;
#endif
}

}  // namespace ssugraph
