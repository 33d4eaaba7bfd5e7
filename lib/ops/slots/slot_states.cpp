#include "lib/ops/slots/slot_states.hpp"

#include "lib/core/device.hpp"
#include "lib/ops/slots/canonical_cache.hpp"
#include "lib/ops/slots/slot_tensors.hpp"
#include "lib/state/host_row.hpp"
#if SSUGRAPH_CUDA
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#endif

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/slot_states.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace ssugraph {
namespace {

using detail::slot_entries;
using detail::slot_layer;
using detail::slot_tensor;

enum class direction : std::uint8_t { load, store };

/** Sizes that the kernels are made for. */
void check_sizes(const std::string& name, const tensor_view& state) {
  const std::int64_t nheads = state.extent(1);
  const std::int64_t dim = state.extent(2);
  const std::int64_t dstate = state.extent(3);
  if (nheads >= 1 && dim >= 1 && nheads * dim <= std::numeric_limits<std::int32_t>::max() &&
      dstate >= 1 && dstate <= detail::most_of_row)
    return;
  throw invalid_argument{name,
                         "nheads and dim of at least 1, 2^31 - 1 rows in a slot at most, and "
                         "dstate of 1 to " +
                             std::to_string(detail::most_of_row),
                         to_string(state)};
}

/** Throws unless `dense` has a state of `state`'s shape for each of `count` slots. */
void check_dense(const std::string& name, const tensor_view& dense, const tensor_view& state,
                 std::int64_t count) {
  if (!is_floating(dense.dtype()))
    throw invalid_argument{name, "float32, float16 or bfloat16", to_string(dense)};
  if (dense.extent(0) == count &&
      std::ranges::equal(dense.extents().subspan(1), state.extents().subspan(1)))
    return;
  throw invalid_argument{name,
                         "shape (n, nheads, dim, dstate) of " + std::to_string(count) +
                             " slots and a state " + to_string(state),
                         to_string(dense)};
}

std::vector<slot_layer> canonical_layers(std::span<const cache_view> caches,
                                         std::span<const tensor_view> states, std::int64_t count) {
  if (states.size() != caches.size()) {
    throw invalid_argument{"states", "one for each of " + std::to_string(caches.size()) + " caches",
                           std::to_string(states.size())};
  }
  const std::vector<cache_view> canonical = detail::canonical_caches(caches);
  std::vector<slot_layer> layers;
  layers.reserve(caches.size());
  for (std::size_t layer = 0; layer < caches.size(); ++layer) {
    const cache_view& cache = canonical[layer];
    check_sizes(detail::name_of_cache(layer, "state"), cache.state);
    const std::string name = detail::name_of_dense(layer);
    layers.push_back({cache, detail::canonical(name, states[layer], 4)});
    check_dense(name, layers.back().dense, cache.state, count);
  }
  return layers;
}

/** Every tensor of a call. */
std::vector<slot_tensor> tensors_of(std::span<const slot_layer> layers, const slot_list& slots,
                                    const tensor_view& positions, direction way) {
  constexpr std::array by_load{&cache_view::state, &cache_view::state_scale,
                               &cache_view::ring_cursor};
  std::vector<cache_view> caches;
  caches.reserve(layers.size());
  std::ranges::transform(layers, std::back_inserter(caches), &slot_layer::cache);
  const bool is_load = way == direction::load;
  std::vector<slot_tensor> tensors =
      detail::tensors_of(caches, std::span{by_load}.first(is_load ? by_load.size() : 0));
  for (std::size_t layer = 0; layer < layers.size(); ++layer)
    tensors.push_back({detail::name_of_dense(layer), layers[layer].dense, !is_load});
  tensors.push_back({"slots", slots.indices, false});
  if (positions) tensors.push_back({"positions", positions, false});
  return tensors;
}

/** Rows of entry `i` of `layer`, which belongs to `slot`. */
void move_on_host(const slot_layer& layer, std::int64_t i, std::int64_t slot, direction way) {
  const tensor_view& state = layer.cache.state;
  const tensor_view& scale = layer.cache.state_scale;
  std::vector<float> h(static_cast<std::size_t>(state.extent(3)));
  for (std::int64_t head = 0; head < state.extent(1); ++head) {
    for (std::int64_t d = 0; d < state.extent(2); ++d) {
      const detail::host_row kept{state, scale, slot, head, d};
      const detail::host_row dense{layer.dense, {}, i, head, d};
      detail::load_row(way == direction::load ? dense : kept, h);
      detail::store_row(way == direction::load ? kept : dense, h);
    }
  }
}

void move_on_host(std::span<const slot_layer> layers, const slot_entries& entries,
                  std::int64_t count, direction way) {
  for (std::int64_t i = 0; i < count; ++i) {
    for (const slot_layer& layer : layers) {
      const std::int64_t slot = detail::slot_of(entries, layer.cache.state.extent(0), i);
      if (slot == detail::no_slot) continue;
      move_on_host(layer, i, slot, way);
      if (way == direction::load && layer.cache.ring_cursor)
        detail::empty_ring(detail::rows_of_cursor(layer.cache.ring_cursor), slot,
                           detail::position_of(entries, i));
    }
  }
}

void move(std::span<const cache_view> caches, std::span<const tensor_view> states,
          const slot_list& slots, const tensor_view& positions, direction way,
          stream_handle stream) {
  detail::check_slots(slots);
  if (positions) detail::check_positions(positions, slots);
  const std::int64_t count = slots.indices.extent(0);
  const std::vector<slot_layer> layers = canonical_layers(caches, states, count);
  if (slots.indices.size() == 0) return;
  const device home = detail::device_of(slots.indices.data());
  const std::vector<slot_tensor> tensors = tensors_of(layers, slots, positions, way);
  detail::check_memory(tensors, home);
  detail::check_written(tensors);
  if (layers.empty()) return;
  const slot_entries entries = detail::entries_of(slots, positions);
  if (home.is_host()) return move_on_host(layers, entries, count, way);
#if SSUGRAPH_CUDA
  const detail::device_guard guard{home.ordinal};
  const detail::relaxed_capture relaxed;  // a first launch loads its kernel
  way == direction::load ? detail::launch_load_slots(layers, entries, count, stream)
                         : detail::launch_store_slots(layers, entries, count, stream);
#else
  (void)stream;
#endif
}

}  // namespace

void load_slots(std::span<const cache_view> caches, std::span<const tensor_view> states,
                const slot_list& slots, stream_handle stream) {
  move(caches, states, slots, {}, direction::load, stream);
}

void load_slots(std::span<const cache_view> caches, std::span<const tensor_view> states,
                const slot_list& slots, const tensor_view& positions, stream_handle stream) {
  move(caches, states, slots, positions, direction::load, stream);
}

void store_slots(std::span<const cache_view> caches, const slot_list& slots,
                 std::span<const tensor_view> states, stream_handle stream) {
  move(caches, states, slots, {}, direction::store, stream);
}

}  // namespace ssugraph
