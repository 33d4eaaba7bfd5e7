#include "lib/core/cuda_check.hpp"
#include "lib/ops/slots/slot_states.cuh"
#include "lib/ops/slots/slot_states.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace ssugraph::detail {
namespace {

using namespace slot_states;

template <dtype... Each>
struct dtypes {};
using state_dtypes = dtypes<dtype::float32, dtype::float16, dtype::bfloat16, dtype::int8,
                            dtype::int16, dtype::float8_e4m3>;
using dense_dtypes = dtypes<dtype::float32, dtype::float16, dtype::bfloat16>;

template <class Way, class State, dtype... Dense>
const void* find_kernel(dtype dense, dtypes<Dense...>) {
  const void* found = nullptr;
  ((dense == Dense ? void(found = reinterpret_cast<const void*>(
                              &slot_states_kernel<Way, State, typename state_of<Dense>::type>))
                   : void()),
   ...);
  return found;
}

template <class Way, dtype... State>
const void* find_kernel(dtype state, dtype dense, dtypes<State...>) {
  const void* found = nullptr;
  ((state == State
        ? void(found = find_kernel<Way, typename state_of<State>::type>(dense, dense_dtypes{}))
        : void()),
   ...);
  return found;
}

template <int Rank>
row_places<Rank> places_of(const tensor_view& tensor) {
  row_places<Rank> places{static_cast<std::byte*>(tensor.data()), {}};
  std::ranges::transform(tensor.strides(), places.stride,
                         [&](std::int64_t stride) { return stride * size_of(tensor.dtype()); });
  return places;
}

bool has_octets(const tensor_view& tensor) {
  const std::int64_t size = size_of(tensor.dtype());
  const std::int64_t vector = std::min<std::int64_t>(octet_size * size, sizeof(uint4));
  const auto is_aligned = [&](int axis) {
    return tensor.extent(axis) == 1 || tensor.stride(axis) * size % vector == 0;
  };
  return tensor.stride(3) == 1 && tensor.extent(3) % octet_size == 0 && is_aligned(0) &&
         is_aligned(1) && is_aligned(2) &&
         reinterpret_cast<std::uintptr_t>(tensor.data()) % vector == 0;
}

layer_params lowered(const slot_layer& layer) {
  const tensor_view& state = layer.cache.state;
  const auto dstate = static_cast<std::uint32_t>(state.extent(3));
  return {.state = places_of<4>(state),
          .scale = places_of<3>(layer.cache.state_scale),
          .dense = places_of<4>(layer.dense),
          .cursor = rows_of_cursor(layer.cache.ring_cursor),
          .slots = state.extent(0),
          .dim = fast_divisor{static_cast<std::uint32_t>(state.extent(2))},
          .rows = static_cast<std::uint32_t>(state.extent(1) * state.extent(2)),
          .dstate = dstate,
          .lanes = std::bit_ceil((dstate + octet_size - 1) / octet_size),
          .state_has_octets = has_octets(state),
          .dense_has_octets = has_octets(layer.dense)};
}

/** Layers of one format and one dtype of dense states, as many as a launch takes. */
template <class Way>
void launch_alike(std::span<const slot_layer> layers, const slot_entries& entries,
                  std::int64_t count, stream_handle stream) {
  slot_params params{};
  params.entries = entries;
  std::int64_t parts = 1;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layer_params& layer = params.layers[i] = lowered(layers[i]);
    const std::int64_t rows = layer.rows_of_block();
    parts = std::max(parts, (layer.rows + rows - 1) / rows);
  }
  const dim3 grid{static_cast<unsigned>(count), static_cast<unsigned>(std::min(parts, max_grid_yz)),
                  static_cast<unsigned>(layers.size())};
  void* arguments[] = {&params};
  const void* kernel = find_kernel<Way>(layers.front().cache.state.dtype(),
                                        layers.front().dense.dtype(), state_dtypes{});
  check_cuda(cudaLaunchKernel(kernel, grid, dim3{block_threads}, arguments, 0, stream),
             "cudaLaunchKernel of load_slots or store_slots");
}

template <class Way>
void launch(std::span<const slot_layer> given, const slot_entries& entries, std::int64_t count,
            stream_handle stream) {
  const auto kind = [](const slot_layer& layer) {
    return std::pair{layer.cache.state.dtype(), layer.dense.dtype()};
  };
  std::vector<slot_layer> layers(given.begin(), given.end());
  std::ranges::stable_sort(layers, {}, kind);
  for (auto first = layers.begin(); first != layers.end();) {
    auto last = std::ranges::upper_bound(first, layers.end(), kind(*first), {}, kind);
    last = first + std::min<std::ptrdiff_t>(last - first, max_layers);
    launch_alike<Way>({first, last}, entries, count, stream);
    first = last;
  }
}

}  // namespace

void launch_load_slots(std::span<const slot_layer> layers, const slot_entries& entries,
                       std::int64_t count, stream_handle stream) {
  launch<loading>(layers, entries, count, stream);
}

void launch_store_slots(std::span<const slot_layer> layers, const slot_entries& entries,
                        std::int64_t count, stream_handle stream) {
  launch<storing>(layers, entries, count, stream);
}

}  // namespace ssugraph::detail
