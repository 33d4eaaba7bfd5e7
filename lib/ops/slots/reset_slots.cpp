#include "lib/ops/slots/reset_slots.hpp"

#include "lib/core/device.hpp"
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
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <vector>

namespace ssugraph {
namespace {

tensor_view canonical_state(std::size_t layer, const tensor_view& state) {
  const std::string name = detail::name_of_dense(layer);
  if (!is_state_format(state.dtype()))
    throw invalid_argument{name, "a state or its scales", to_string(state)};
  return detail::canonical(name, state, 4);
}

/** With all axes of a state: of one element a row. */
tensor_view with_dstate(const tensor_view& scale) {
  return scale.with_unit_axis(3);
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

/** Of tensors that were checked but for where they lie. */
void reset(std::span<const detail::slot_tensor> tensors, const slot_list& slots,
           stream_handle stream) {
  if (slots.indices.size() == 0) return;
  const device home = detail::device_of(slots.indices.data());
  detail::check_memory(tensors, home);
  if (tensors.empty()) return;
  std::vector<tensor_view> states;
  states.reserve(tensors.size());
  std::ranges::transform(tensors, std::back_inserter(states), &detail::slot_tensor::view);
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
  tensors.reserve(states.size());
  for (std::size_t layer = 0; layer < states.size(); ++layer) {
    tensors.push_back({detail::name_of_dense(layer), canonical_state(layer, states[layer]), true});
  }
  reset(tensors, slots, stream);
}

void reset_slots(std::span<const cache_view> caches, const slot_list& slots, stream_handle stream) {
  detail::check_slots(slots);
  std::vector<detail::slot_tensor> tensors;
  for (std::size_t layer = 0; layer < caches.size(); ++layer) {
    const cache_view cache = detail::canonical_cache(caches[layer], layer);
    tensors.push_back({detail::name_of_state(layer), cache.state, true});
    if (cache.state_scale) {
      tensors.push_back({detail::name_of_scale(layer), with_dstate(cache.state_scale), true});
    }
  }
  reset(tensors, slots, stream);
}

}  // namespace ssugraph
