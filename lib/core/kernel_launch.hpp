#pragma once

#include "lib/core/alignment.hpp"
#include "lib/core/stream_place.hpp"

#include <ssugraph/stream.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace ssugraph::detail {

/**
 * One kernel launch as a value: what a stream takes, and what a graph node takes. The function is a
 * kernel's address or a cudaKernel_t. Arguments are held by value, in the order of its parameters,
 * and without allocation.
 */
class kernel_launch {
 public:
  template <class... Arguments>
  kernel_launch(const void* function, dim3 grid, dim3 block, const Arguments&... arguments)
      : function_{function}, grid_{grid}, block_{block} {
    static_assert(sizeof...(Arguments) <= max_arguments);
    static_assert(bytes_of<Arguments...>() <= max_bytes);
    (append(arguments), ...);
  }

  /** Dynamic shared memory of a block. */
  void set_shared_bytes(unsigned bytes) noexcept { shared_bytes_ = bytes; }
  /** Start while the launch in front still runs (programmatic dependent launch). */
  void set_programmatic(bool programmatic) noexcept { programmatic_ = programmatic; }

  /** Enqueues on `stream`. Throws cuda_error. */
  void launch(stream_handle stream) const;

  /**
   * Adds the launch to `graph` behind `predecessors`, by programmatic edges if it is set so. Runs
   * in `part`, or if that is null in the current context. Throws cuda_error.
   */
  cudaGraphNode_t add_to(cudaGraph_t graph, std::span<const cudaGraphNode_t> predecessors,
                         context_handle part = nullptr) const;

  /** Gives `node` of `exec`, which was added as a launch of the same function with the same edges
   *  and `part`, these parameters for launches to come. Throws cuda_error. */
  void update(cudaGraphExec_t exec, cudaGraphNode_t node, context_handle part = nullptr) const;
  /** The same for the graph that `node` is of. Executables are as before. Throws cuda_error. */
  void update(cudaGraphNode_t node, context_handle part = nullptr) const;

  /** Same function, shape and arguments, bit for bit. */
  friend bool operator==(const kernel_launch& a, const kernel_launch& b) {
    const auto shape = [](const dim3& d) { return std::array{d.x, d.y, d.z}; };
    return a.function_ == b.function_ && shape(a.grid_) == shape(b.grid_) &&
           shape(a.block_) == shape(b.block_) && a.shared_bytes_ == b.shared_bytes_ &&
           a.programmatic_ == b.programmatic_ && std::ranges::equal(a.bytes(), b.bytes());
  }

 private:
  // Enough for the kernels of the SSU, whose arguments are the largest and the most.
  static constexpr std::size_t max_bytes = 1024;
  static constexpr std::size_t max_arguments = 128;
  static constexpr std::size_t alignment = 16;
  using pointers = std::array<void*, max_arguments>;

  template <class... Arguments>
  static constexpr std::size_t bytes_of() {
    std::size_t bytes = 0;
    ((bytes = aligned(bytes, alignof(Arguments)) + sizeof(Arguments)), ...);
    return bytes;
  }

  template <class Argument>
  void append(const Argument& argument) {
    static_assert(std::is_trivially_copyable_v<Argument> && alignof(Argument) <= alignment);
    const std::size_t offset = aligned(byte_count_, alignof(Argument));
    std::memset(bytes_.data() + byte_count_, 0, offset - byte_count_);
    std::memcpy(bytes_.data() + offset, static_cast<const void*>(&argument), sizeof argument);
    byte_count_ = offset + sizeof argument;
    offsets_[argument_count_++] = static_cast<std::uint16_t>(offset);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return std::span{bytes_}.first(byte_count_);
  }
  [[nodiscard]] pointers argument_pointers() const noexcept;
  /** As a graph node; `arguments` outlive the use of the result. */
  [[nodiscard]] cudaKernelNodeParams node_params(pointers& arguments) const noexcept;

  const void* function_;
  dim3 grid_;
  dim3 block_;
  unsigned shared_bytes_ = 0;
  bool programmatic_ = false;
  std::size_t byte_count_ = 0;
  std::size_t argument_count_ = 0;
  alignas(alignment) std::array<std::byte, max_bytes> bytes_;
  std::array<std::uint16_t, max_arguments> offsets_;
};

/** Gives a kernel node of `exec` that runs in `part` the shape and arguments of `params`. Throws
 *  cuda_error. */
void update_in_part(cudaGraphExec_t exec, cudaGraphNode_t node, const cudaKernelNodeParams& params,
                    context_handle part);

/**
 * Loads a kernel without running it and says whether programmatic dependent launch is safe: its
 * loaded image was compiled for 9.0 or later, and so holds the waits. Throws cuda_error.
 */
bool load_kernel(const void* function);

}  // namespace ssugraph::detail
