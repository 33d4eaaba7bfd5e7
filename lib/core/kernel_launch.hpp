#pragma once

#include <ssugraph/stream.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

namespace ssugraph::detail {

/**
 * One kernel launch as a value: what a stream takes, and what a graph node takes. Arguments are
 * held by value, in the order of the kernel's parameters.
 */
class kernel_launch {
 public:
  template <class... Arguments>
  kernel_launch(const void* function, dim3 grid, dim3 block, const Arguments&... arguments)
      : function_{function}, grid_{grid}, block_{block} {
    (append(arguments), ...);
  }

  /** Start while the launch in front still runs (programmatic dependent launch). */
  void set_programmatic(bool programmatic) noexcept { programmatic_ = programmatic; }

  /** Enqueues on `stream`. Throws cuda_error. */
  void launch(stream_handle stream) const;

  /**
   * Adds the launch to `graph` behind `predecessor` (null: none), by a programmatic edge if it is
   * set so. Throws cuda_error.
   */
  cudaGraphNode_t add_to(cudaGraph_t graph, cudaGraphNode_t predecessor) const;

 private:
  static constexpr std::size_t alignment = 16;

  template <class Argument>
  void append(const Argument& argument) {
    static_assert(std::is_trivially_copyable_v<Argument> && alignof(Argument) <= alignment);
    const std::size_t offset = (bytes_.size() + alignment - 1) / alignment * alignment;
    bytes_.resize(offset + sizeof argument);
    std::memcpy(bytes_.data() + offset, &argument, sizeof argument);
    offsets_.push_back(offset);
  }

  [[nodiscard]] std::vector<void*> argument_pointers() const;

  const void* function_;
  dim3 grid_;
  dim3 block_;
  bool programmatic_ = false;
  std::vector<std::byte> bytes_;
  std::vector<std::size_t> offsets_;
};

/**
 * Loads a kernel without running it and says whether programmatic dependent launch is safe: its
 * loaded image was compiled for 9.0 or later, and so holds the waits. Throws cuda_error.
 */
bool load_kernel(const void* function);

}  // namespace ssugraph::detail
