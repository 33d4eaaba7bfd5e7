#include "lib/core/cuda_check.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/ops/slots/reset_slots.hpp"
#include "lib/step/planned_step.hpp"
#include "lib/step/sequence.hpp"

#include <algorithm>
#include <cstdint>

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 256;
constexpr int blocks_per_slot = 16;
/** Layers of one launch: their layouts fill most of the 32,764 bytes a kernel's arguments may have.
 */
constexpr std::size_t max_layers = 400;

struct layer_state {
  void* data;
  std::int64_t stride[4];
  std::int64_t slots;
  std::int32_t nheads;
  std::int32_t dim;
  std::int32_t dstate;
  std::int32_t element_size;
  bool dense;  ///< a slot is one run of whole 16-byte words
};

struct reset_params {
  layer_state layers[max_layers];
  index_tensor slots;
  std::int64_t null_block_id;
};

__device__ void zero_element(void* data, std::int64_t offset, int size) {
  auto* bytes = static_cast<std::uint8_t*>(data) + offset * size;
  for (int i = 0; i < size; ++i)
    bytes[i] = 0;
}

/** Grid: (slots, parts of a slot, layers). */
__global__ void __launch_bounds__(block_threads)
    reset_kernel(const __grid_constant__ reset_params p) {
  wait_for_predecessor();
  const layer_state& layer = p.layers[blockIdx.z];
  const std::int64_t slot = live_slot(p, p.slots, layer.slots, blockIdx.x, 0);
  if (slot == no_slot) return;
  const std::int64_t first = blockIdx.y * static_cast<std::int64_t>(block_threads) + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * block_threads;
  const std::int64_t count = static_cast<std::int64_t>(layer.nheads) * layer.dim * layer.dstate;
  if (layer.dense) {
    auto* words = reinterpret_cast<uint4*>(static_cast<char*>(layer.data) +
                                           slot * layer.stride[0] * layer.element_size);
    for (std::int64_t i = first; i < count * layer.element_size / 16; i += step)
      words[i] = uint4{};
    return;
  }
  for (std::int64_t i = first; i < count; i += step) {
    const std::int64_t n = i % layer.dstate;
    const std::int64_t d = i / layer.dstate % layer.dim;
    const std::int64_t head = i / layer.dstate / layer.dim;
    zero_element(
        layer.data,
        slot * layer.stride[0] + head * layer.stride[1] + d * layer.stride[2] + n * layer.stride[3],
        layer.element_size);
  }
}

bool is_dense(const tensor_view& state) {
  const std::int64_t size = size_of(state.dtype());
  std::int64_t run = 1;
  for (int axis = 3; axis > 0; --axis) {
    if (state.extent(axis) > 1 && state.stride(axis) != run) return false;
    run *= state.extent(axis);
  }
  return run * size % 16 == 0 && state.stride(0) * size % 16 == 0 &&
         reinterpret_cast<std::uintptr_t>(state.data()) % 16 == 0;
}

layer_state lowered(const tensor_view& state) {
  layer_state layer{.data = state.data(),
                    .stride = {},
                    .slots = state.extent(0),
                    .nheads = static_cast<std::int32_t>(state.extent(1)),
                    .dim = static_cast<std::int32_t>(state.extent(2)),
                    .dstate = static_cast<std::int32_t>(state.extent(3)),
                    .element_size = static_cast<std::int32_t>(size_of(state.dtype())),
                    .dense = is_dense(state)};
  std::ranges::copy(state.strides(), layer.stride);
  return layer;
}

}  // namespace

void launch_reset_slots(std::span<const tensor_view> states, const slot_list& slots,
                        stream_handle stream) {
  for (std::size_t begin = 0; begin < states.size(); begin += max_layers) {
    const auto layers = states.subspan(begin, std::min(max_layers, states.size() - begin));
    reset_params params{};
    std::ranges::transform(layers, params.layers, lowered);
    params.slots = index_of(slots.indices);
    params.null_block_id = slots.null_block_id;
    const dim3 grid{static_cast<unsigned>(slots.indices.extent(0)), blocks_per_slot,
                    static_cast<unsigned>(layers.size())};
    void* arguments[] = {&params};
    check_cuda(cudaLaunchKernel(reinterpret_cast<const void*>(&reset_kernel), grid,
                                dim3{block_threads}, arguments, 0, stream),
               "cudaLaunchKernel of reset_slots");
  }
}

}  // namespace ssugraph::detail
