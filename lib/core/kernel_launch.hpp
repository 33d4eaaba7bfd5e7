#pragma once

#include "lib/core/alignment.hpp"
#include "lib/core/stream_place.hpp"

#include <ssugraph/stream.hpp>

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace ssugraph::detail {

/**
 * One kernel launch as a value: what a stream takes, and what a graph node takes. The function is a
 * kernel's address or a cudaKernel_t. Arguments are held by value, in the order of its parameters.
 */
class kernel_launch {
 public:
  template <class... Arguments>
  kernel_launch(const void* function, dim3 grid, dim3 block, const Arguments&... arguments)
      : function_{function}, grid_{grid}, block_{block} {
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
           a.programmatic_ == b.programmatic_ && a.bytes_ == b.bytes_;
  }

 private:
  static constexpr std::size_t alignment = 16;

  template <class Argument>
  void append(const Argument& argument) {
    static_assert(std::is_trivially_copyable_v<Argument> && alignof(Argument) <= alignment);
    const std::size_t offset = aligned(bytes_.size(), alignment);
    bytes_.resize(offset + sizeof argument);
    std::memcpy(bytes_.data() + offset, static_cast<const void*>(&argument), sizeof argument);
    offsets_.push_back(offset);
  }

  [[nodiscard]] std::vector<void*> argument_pointers() const;
  /** As a graph node; `pointers` outlive the use of the result. */
  [[nodiscard]] cudaKernelNodeParams node_params(std::vector<void*>& pointers) const;

  const void* function_;
  dim3 grid_;
  dim3 block_;
  unsigned shared_bytes_ = 0;
  bool programmatic_ = false;
  std::vector<std::byte> bytes_;
  std::vector<std::size_t> offsets_;
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
