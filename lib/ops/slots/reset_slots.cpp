#include "lib/ops/slots/reset_slots.hpp"

#include "lib/core/device.hpp"
#include "lib/ops/slots/canonical_cache.hpp"
#include "lib/ops/slots/slot_tensors.hpp"
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
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace ssugraph {
namespace {

tensor_view canonical_state(std::size_t layer, const tensor_view& state) {
  const std::string name = detail::name_of_dense(layer);
  if (!is_state_format(state.dtype()))
    throw invalid_argument{name, "a state or its scales", to_string(state)};
  return detail::canonical(name, state, 4);
}

/** With all axes of a state: scales have one element a row, cursors one row. */
tensor_view as_state(const cache_view& cache, tensor_view cache_view::*member) {
  const tensor_view& tensor = cache.*member;
  if (member == &cache_view::state_scale) return tensor.with_unit_axis(3);
  if (member == &cache_view::ring_cursor) return tensor.with_unit_axis(1).with_unit_axis(1);
  return tensor;
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

void zero_slots_on_host(std::span<const tensor_view> states, const slot_list& slots) {
  for (std::int64_t i = 0; i < slots.indices.extent(0); ++i) {
    for (const tensor_view& state : states) {
      const std::int64_t slot =
          detail::live_slot(slots, detail::index_of(slots.indices), state.extent(0), i, 0);
      if (slot != detail::no_slot) zero_slot(state, slot);
    }
  }
}

/** Of states and the like that were checked, in `home`. */
void zero_slots(std::span<const tensor_view> states, const slot_list& slots, const device& home,
                stream_handle stream) {
  if (states.empty()) return;
  if (home.is_host()) return zero_slots_on_host(states, slots);
#if SSUGRAPH_CUDA
  const detail::device_guard guard{home.ordinal};
  const detail::relaxed_capture relaxed;  // a first launch loads its kernel
  detail::launch_reset_slots(states, slots, stream);
#else
  (void)stream;
#endif
}

}  // namespace

void reset_slots(std::span<const tensor_view> states, const slot_list& slots,
                 stream_handle stream) {
  detail::check_slots(slots);
  std::vector<detail::slot_tensor> tensors;
  std::vector<tensor_view> zeroed;
  for (std::size_t layer = 0; layer < states.size(); ++layer) {
    zeroed.push_back(canonical_state(layer, states[layer]));
    tensors.push_back({detail::name_of_dense(layer), zeroed.back(), true});
  }
  if (slots.indices.size() == 0) return;
  const device home = detail::device_of(slots.indices.data());
  detail::check_memory(tensors, home);
  zero_slots(zeroed, slots, home, stream);
}

void reset_slots(std::span<const cache_view> caches, const slot_list& slots, stream_handle stream) {
  detail::check_slots(slots);
  const std::vector<cache_view> canonical = detail::canonical_caches(caches);
  if (slots.indices.size() == 0) return;
  const device home = detail::device_of(slots.indices.data());
  // Of zeros on zeros it is all one where they overlap, but not of cursors.
  std::vector<detail::slot_tensor> tensors =
      detail::tensors_of(canonical, std::array{&cache_view::ring_cursor});
  tensors.push_back({"slots", slots.indices, false});
  detail::check_memory(tensors, home);
  detail::check_written(tensors);
  std::vector<tensor_view> zeroed;
  for (const cache_view& cache : canonical) {
    for (const auto member :
         {&cache_view::state, &cache_view::state_scale, &cache_view::ring_cursor}) {
      if (cache.*member) zeroed.push_back(as_state(cache, member));
    }
  }
  zero_slots(zeroed, slots, home, stream);
}

}  // namespace ssugraph
