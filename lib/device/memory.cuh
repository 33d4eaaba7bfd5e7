#pragma once

#include "lib/device/octet.hpp"
#include "lib/device/strided.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

/**
 * Addresses, loads and stores of kernels. Loads come apart from conversions, so that
 * many are in flight before the first is used. None goes through the read-only cache: a graph
 * writes what its next kernel reads.
 */
namespace ssugraph::detail {

// --- Addresses -----------------------------------------------------------------------------------

/** `base` and `i` steps of `stride` bytes. `Short`: the stride is known to fit 32 bits, and one
 *  multiply-add does it. */
template <bool Short>
__device__ std::byte* stepped(std::byte* base, std::uint32_t i, std::int64_t stride) {
  if constexpr (Short) {
    std::byte* result;
    asm("mad.wide.s32 %0, %1, %2, %3;"
        : "=l"(result)
        : "r"(i), "r"(static_cast<std::int32_t>(stride)), "l"(base));
    __builtin_assume(__isGlobal(result));
    return result;
  } else {
    return base + i * stride;
  }
}

template <bool Short>
__device__ std::byte* stepped(std::byte* base, std::int64_t i, std::int64_t stride) {
  return base + i * stride;
}

/** The element at (i, ...). */
template <bool Short, int Rank, class... Index>
__device__ std::byte* address(const strided<Rank>& tensor, Index... index) {
  auto* at = static_cast<std::byte*>(tensor.data);
  int axis = 0;
  ((at = stepped<Short>(at, index, tensor.stride[axis++])), ...);
  return at;
}

// --- Eight elements of a row ---------------------------------------------------------------------

/** Bytes of the widest load or store of a thread. */
inline constexpr int vector_bytes = 16;

/**
 * Which octets of a row of dstate a thread holds: `chunks` runs of `width` neighbours, each run 16
 * bytes of state, or all 8 of one octet of bytes, so that the threads of a row read one stretch of
 * memory at a time.
 */
template <class State, int Lanes, bool Vector, int Octets = 1>
struct octet_layout {
  static constexpr int columns = Octets * octet_size;
  static constexpr int held_bytes = columns * static_cast<int>(sizeof(State));
  static constexpr int run_bytes = held_bytes < vector_bytes ? held_bytes : vector_bytes;
  static constexpr int chunks = Vector ? held_bytes / run_bytes : 1;
  static constexpr int width = columns / chunks;
  static constexpr bool vector = Vector;
  static_assert(chunks == 1 || chunks * run_bytes == held_bytes, "octets are whole vectors");

  __device__ static std::uint32_t first(std::uint32_t lane, int chunk) {
    return (chunk * Lanes + lane) * width;
  }
  /** Whether element `i` of those is in a row of `dstate`. */
  __device__ static bool holds(std::uint32_t lane, int i, std::uint32_t dstate) {
    return first(lane, i / width) + (Vector ? 0 : i % width) < dstate;
  }
};

/** Reads the octets of `lane`; past the end of the row come elements of it again, so that no load
 *  hangs on a condition. */
template <class Layout, class T>
__device__ void load_octet(const std::byte* row, std::int64_t stride, std::uint32_t lane,
                           std::uint32_t dstate, std::uint32_t* word) {
  constexpr std::size_t run_bytes = sizeof(T) * Layout::width;
  static_assert(run_bytes % sizeof *word == 0, "a run is whole words");
  // Of words where that is how it is loaded: bytes would be taken apart and put together again.
  using part = std::conditional_t<Layout::vector && sizeof(T) == 1, std::uint32_t, T>;
  struct alignas(run_bytes < vector_bytes ? run_bytes : vector_bytes) run {
    part value[run_bytes / sizeof(part)];
  };
#pragma unroll
  for (int chunk = 0; chunk < Layout::chunks; ++chunk) {
    run loaded;
    const std::uint32_t first = Layout::first(lane, chunk);
    if constexpr (Layout::vector) {
      const std::uint32_t readable = min(first, dstate - Layout::width);
      loaded = *reinterpret_cast<const run*>(row + readable * sizeof(T));
    } else {
#pragma unroll
      for (int i = 0; i < Layout::width; ++i) {
        loaded.value[i] = *reinterpret_cast<const T*>(row + min(first + i, dstate - 1) * stride);
      }
    }
    memcpy(word + chunk * (sizeof loaded / sizeof *word), &loaded, sizeof loaded);
  }
}

/** The same of elements whose dtype is known at run time, but for what their width says. */
template <class Layout, io_width Width>
__device__ void load_io_octet(const std::byte* row, std::int64_t stride, std::uint32_t lane,
                              std::uint32_t dstate, dtype type, std::uint32_t* word) {
  if (Width == io_width::wide || (Width == io_width::any && type == dtype::float32)) {
    load_octet<Layout, float>(row, stride, lane, dstate, word);
  } else {
    load_octet<Layout, std::uint16_t>(row, stride, lane, dstate, word);
  }
}

inline constexpr int cache_line = 128;

/** Brings the cache line of `at` into the L2 cache. */
__device__ inline void prefetch(const std::byte* at) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(at) : "memory");
}

/** Writes the octets of `lane` if `present`, but nothing past the end of the row. */
template <class Layout, class State, int Words>
__device__ void store_octet(bool present, std::byte* row, std::int64_t stride, std::uint32_t lane,
                            std::uint32_t dstate, const std::uint32_t (&word)[Words]) {
  if constexpr (Layout::vector) {
    constexpr int run_words = Layout::run_bytes / sizeof *word;
    struct alignas(Layout::run_bytes) run {
      std::uint32_t value[run_words];
    };
#pragma unroll
    for (int chunk = 0; chunk < Layout::chunks; ++chunk) {
      const std::uint32_t first = Layout::first(lane, chunk);
      run stored;
      memcpy(&stored, word + run_words * chunk, sizeof stored);
      if (present && first < dstate) *reinterpret_cast<run*>(row + first * sizeof(State)) = stored;
    }
  } else {
    State value[Layout::columns];
    memcpy(value, word, sizeof value);
    const std::uint32_t first = Layout::first(lane, 0);
#pragma unroll
    for (int i = 0; i < Layout::columns; ++i) {
      if (present && first + i < dstate)
        *reinterpret_cast<State*>(row + (first + i) * stride) = value[i];
    }
  }
}

}  // namespace ssugraph::detail
