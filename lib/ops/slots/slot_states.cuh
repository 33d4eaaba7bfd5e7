#pragma once

#include "lib/core/host_device.hpp"
#include "lib/core/launch_limits.hpp"
#include "lib/device/fast_divisor.hpp"
#include "lib/device/octet.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/ops/slots/slot_entries.hpp"
#include "lib/state/codec.cuh"
#include "lib/state/scaled.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

/** The kernel of load_slots and store_slots: several neighbouring threads have a row of dstate. */
namespace ssugraph::detail::slot_states {

inline constexpr int block_threads = 256;
/** Rows that a thread reads before it uses the first. */
inline constexpr int rows_at_once = 4;
/** Layers of one launch: they fill most of the 32,764 bytes a kernel's arguments may have. */
inline constexpr std::size_t max_layers = 190;

/** Strides in bytes. */
template <int Rank>
struct row_places {
  std::byte* data;
  std::int64_t stride[Rank];

  __device__ std::byte* row(std::int64_t first, std::uint32_t head, std::uint32_t d) const {
    return data + first * stride[0] + head * stride[1] + d * stride[2];
  }
};

struct layer_params {
  row_places<4> state;
  row_places<3> scale;
  row_places<4> dense;
  cursor_rows cursor;  ///< whose rings a load empties
  std::int64_t slots;
  fast_divisor dim;
  std::uint32_t rows;  ///< of a slot
  std::uint32_t dstate;
  std::uint32_t lanes;  ///< threads of a row, a power of two
  bool state_has_octets;
  bool dense_has_octets;  ///< eight elements of a row are whole vectors, rows begin with one

  /** Rows that a block takes at once. */
  SSUGRAPH_HOST_DEVICE std::uint32_t rows_of_block() const {
    return block_threads / lanes * rows_at_once;
  }
};

struct slot_params {
  layer_params layers[max_layers];
  slot_entries entries;
};
static_assert(sizeof(slot_params) <= 32764, "what a kernel's arguments may have");

// --- Eight elements of a row ---------------------------------------------------------------------

template <class T>
using octet_vector = std::conditional_t<sizeof(T) == 1, uint2, uint4>;
template <class T>
using raw_bits =
    std::conditional_t<sizeof(T) == 1, std::uint8_t,
                       std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint32_t>>;
template <class T>
inline constexpr int vectors_of_octet = octet_size * sizeof(T) / sizeof(octet_vector<T>);

/** Those from `first` on; zeros past the end of the row. */
template <class T>
__device__ void read_eight(const std::byte* row, std::int64_t stride, bool has_octets,
                           std::uint32_t first, std::uint32_t dstate,
                           std::uint32_t (&word)[words_of_octet<T>]) {
  if (has_octets) {
    octet_vector<T> loaded[vectors_of_octet<T>]{};
    const auto* at = reinterpret_cast<const octet_vector<T>*>(row + first * sizeof(T));
#pragma unroll
    for (int i = 0; i < vectors_of_octet<T>; ++i)
      if (first < dstate) loaded[i] = at[i];
    memcpy(word, loaded, sizeof word);
  } else {
    raw_bits<T> loaded[octet_size]{};
#pragma unroll
    for (int i = 0; i < octet_size; ++i)
      if (first + i < dstate)
        loaded[i] = *reinterpret_cast<const raw_bits<T>*>(row + (first + i) * stride);
    memcpy(word, loaded, sizeof word);
  }
}

template <class T>
__device__ void write_eight(std::byte* row, std::int64_t stride, bool has_octets,
                            std::uint32_t first, std::uint32_t dstate,
                            const std::uint32_t (&word)[words_of_octet<T>]) {
  if (has_octets) {
    octet_vector<T> stored[vectors_of_octet<T>];
    memcpy(stored, word, sizeof word);
    auto* at = reinterpret_cast<octet_vector<T>*>(row + first * sizeof(T));
#pragma unroll
    for (int i = 0; i < vectors_of_octet<T>; ++i)
      if (first < dstate) at[i] = stored[i];
  } else {
    raw_bits<T> stored[octet_size];
    memcpy(stored, word, sizeof word);
#pragma unroll
    for (int i = 0; i < octet_size; ++i)
      if (first + i < dstate)
        *reinterpret_cast<raw_bits<T>*>(row + (first + i) * stride) = stored[i];
  }
}

// --- A row ---------------------------------------------------------------------------------------

/** Where a row of an entry is, in the slot and among the dense states. */
struct row_place {
  const layer_params& layer;
  std::int64_t entry;
  std::int64_t slot;
  std::uint32_t head;
  std::uint32_t d;
  std::uint32_t first;  ///< of the thread's eight elements

  template <class State>
  __device__ void read_state(std::uint32_t (&word)[words_of_octet<State>]) const {
    read_eight<State>(layer.state.row(slot, head, d), layer.state.stride[3], layer.state_has_octets,
                      first, layer.dstate, word);
  }
  template <class State>
  __device__ void write_state(const std::uint32_t (&word)[words_of_octet<State>]) const {
    write_eight<State>(layer.state.row(slot, head, d), layer.state.stride[3],
                       layer.state_has_octets, first, layer.dstate, word);
  }
  template <class Dense>
  __device__ void read_dense(std::uint32_t (&word)[words_of_octet<Dense>]) const {
    read_eight<Dense>(layer.dense.row(entry, head, d), layer.dense.stride[3],
                      layer.dense_has_octets, first, layer.dstate, word);
  }
  template <class Dense>
  __device__ void write_dense(const std::uint32_t (&word)[words_of_octet<Dense>]) const {
    write_eight<Dense>(layer.dense.row(entry, head, d), layer.dense.stride[3],
                       layer.dense_has_octets, first, layer.dstate, word);
  }
  __device__ float* scale() const {
    return reinterpret_cast<float*>(layer.scale.row(slot, head, d));
  }
};

/** Over the threads of a row. All of the warp take part. */
__device__ inline float greatest_of_row(float greatest, std::uint32_t lanes) {
  for (std::uint32_t distance = 1; distance < lanes; distance *= 2)
    greatest = greater_magnitude(greatest, __shfl_xor_sync(whole_warp, greatest, distance));
  return greatest;
}

struct loading {
  static constexpr bool empties_rings = true;

  template <class State, class Dense>
  using words = std::uint32_t[words_of_octet<Dense>];

  template <class State, class Dense>
  __device__ static void read(const row_place& at, words<State, Dense>& word) {
    at.read_dense<Dense>(word);
  }

  template <class State, class Dense>
  __device__ static void write(const row_place& at, bool present, const words<State, Dense>& word) {
    float h[octet_size];
    widen<Dense>(word, h);
    std::uint32_t stored[words_of_octet<State>];
    if constexpr (is_scaled_code<State>) {
      const auto [encode, decode] =
          scale_of<State, false>(greatest_of_row(greatest_of(h), at.layer.lanes));
      encode_octet<State>(h, encode, stored);
      if (present && at.first == 0) *at.scale() = decode;
    } else {
      round_nearest<State>(h, stored);
    }
    if (present) at.write_state<State>(stored);
  }
};

struct storing {
  static constexpr bool empties_rings = false;

  template <class State, class Dense>
  using words = std::uint32_t[words_of_octet<State> + 1];  // the scale, or nothing

  template <class State, class Dense>
  __device__ static void read(const row_place& at, words<State, Dense>& word) {
    std::uint32_t loaded[words_of_octet<State>];
    at.read_state<State>(loaded);
    memcpy(word, loaded, sizeof loaded);
    if constexpr (is_scaled_code<State>) word[words_of_octet<State>] = __float_as_uint(*at.scale());
  }

  template <class State, class Dense>
  __device__ static void write(const row_place& at, bool present, const words<State, Dense>& word) {
    float h[octet_size];
    if constexpr (is_scaled_code<State>) {
      decode_octet<State>(word, h);
      const float scale = __uint_as_float(word[words_of_octet<State>]);
#pragma unroll
      for (float& each : h)
        each *= scale;
    } else {
      widen<State>(word, h);
    }
    std::uint32_t stored[words_of_octet<Dense>];
    round_nearest<Dense>(h, stored);
    if (present) at.write_dense<Dense>(stored);
  }
};

/** Grid: (entries, parts of a slot, layers). */
template <class Way, class State, class Dense>
__global__ void __launch_bounds__(block_threads)
    slot_states_kernel(const __grid_constant__ slot_params p) {
  wait_for_predecessor();
  const layer_params& layer = p.layers[blockIdx.z];
  const std::int64_t slot = slot_of(p.entries, layer.slots, blockIdx.x);
  if (slot == no_slot) return;
  if constexpr (Way::empties_rings) {
    const bool is_first = blockIdx.y == 0 && threadIdx.x == 0;
    if (is_first && layer.cursor.data != nullptr)
      empty_ring(layer.cursor, slot, position_of(p.entries, blockIdx.x));
  }
  const std::uint32_t groups = block_threads / layer.lanes;
  const std::uint32_t group = threadIdx.x / layer.lanes;
  const std::uint32_t first = threadIdx.x % layer.lanes * octet_size;
  const auto place = [&](std::uint32_t row) {
    const std::uint32_t readable = min(row, layer.rows - 1);
    const std::uint32_t head = layer.dim.quotient(readable);
    return row_place{layer, blockIdx.x, slot, head, readable - head * layer.dim.divisor(), first};
  };
  const std::uint32_t step = layer.rows_of_block();
  for (std::uint32_t base = blockIdx.y * step; base < layer.rows; base += gridDim.y * step) {
    typename Way::template words<State, Dense> word[rows_at_once];
#pragma unroll
    for (int i = 0; i < rows_at_once; ++i)
      Way::template read<State, Dense>(place(base + i * groups + group), word[i]);
#pragma unroll
    for (int i = 0; i < rows_at_once; ++i) {
      const std::uint32_t row = base + i * groups + group;
      Way::template write<State, Dense>(place(row), row < layer.rows, word[i]);
    }
  }
}

}  // namespace ssugraph::detail::slot_states
