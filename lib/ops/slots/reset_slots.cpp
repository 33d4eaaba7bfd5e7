#include "lib/ops/slots/reset_slots.hpp"

#include "lib/core/alignment.hpp"
#include "lib/core/device.hpp"
#include "lib/core/reach.hpp"
#include "lib/step/planned_step.hpp"
#if SSUGRAPH_CUDA
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#endif

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/reset_slots.hpp>
#include <ssugraph/stream.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace ssugraph {
namespace {

constexpr std::int64_t most_entries = std::numeric_limits<std::int32_t>::max();

void check_slots(const tensor_view& slots) {
  detail::check_reach("slots", slots);
  const bool integral = slots.dtype() == dtype::int32 || slots.dtype() == dtype::int64;
  if (slots.rank() != 1 || !integral) {
    throw invalid_argument{"slots", "int32 or int64 of shape (n)", to_string(slots)};
  }
  if (slots.size() > most_entries)
    throw invalid_argument{"slots", "at most 2^31 - 1 of them", to_string(slots)};
  if (slots.size() > 0) detail::check_address("slots", slots);
}

tensor_view canonical_state(const tensor_view& state, std::size_t layer, device home) {
  const std::string name = "states[" + std::to_string(layer) + "]";
  if ((state.rank() != 3 && state.rank() != 4) || !is_state_format(state.dtype())) {
    throw invalid_argument{name, "a state or its scales, of rank 3 or 4", to_string(state)};
  }
  detail::check_reach(name, state);
  if (std::ranges::max(state.extents().subspan(1)) > most_entries)
    throw invalid_argument{name, "at most 2^31 - 1 entries on each axis of a slot",
                           to_string(state)};
  if (state.size() > 0) detail::check_address(name, state);
  const device where = state.size() > 0 ? detail::device_of(state.data()) : home;
  if (where != home) {
    throw invalid_argument{name, detail::describe_memory(home) + " as slots",
                           detail::describe_memory(where)};
  }
  const tensor_view reached = detail::with_strides_in_reach(state);
  return reached.rank() == 4 ? reached : reached.with_unit_axis(1);
}

void zero_slot(const tensor_view& state, std::int64_t slot) {
  const auto size = static_cast<std::size_t>(size_of(state.dtype()));
  auto* base = static_cast<std::byte*>(state.data());
  for (std::int64_t head = 0; head < state.extent(1); ++head) {
    for (std::int64_t d = 0; d < state.extent(2); ++d) {
      for (std::int64_t n = 0; n < state.extent(3); ++n) {
        const std::int64_t offset = slot * state.stride(0) + head * state.stride(1) +
                                    d * state.stride(2) + n * state.stride(3);
        std::memset(base + offset * static_cast<std::int64_t>(size), 0, size);
      }
    }
  }
}

void zero_slots_on_host(std::span<const tensor_view> states, const tensor_view& slots) {
  for (std::int64_t i = 0; i < slots.extent(0); ++i) {
    const std::int64_t slot = detail::load_index(detail::index_of(slots), i, 0);
    for (const tensor_view& state : states) {
      if (slot >= 0 && slot < state.extent(0)) zero_slot(state, slot);
    }
  }
}

}  // namespace

void reset_slots(std::span<const tensor_view> states, const tensor_view& slots,
                 stream_handle stream) {
  check_slots(slots);
  if (slots.size() == 0) return;
  const device home = detail::device_of(slots.data());
  std::vector<tensor_view> canonical;
  canonical.reserve(states.size());
  for (std::size_t layer = 0; layer < states.size(); ++layer) {
    canonical.push_back(canonical_state(states[layer], layer, home));
  }
  if (canonical.empty()) return;
  if (home.is_host()) return zero_slots_on_host(canonical, slots);
#if SSUGRAPH_CUDA
  const detail::device_guard guard{home.ordinal};
  const detail::relaxed_capture relaxed;  // a first launch loads its kernel
  detail::launch_reset_slots(canonical, slots, stream);
#else
  (void)stream;
#endif
}

}  // namespace ssugraph
