#pragma once

#include "lib/core/kernel_launch.hpp"

#include <ssugraph/rings.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

/** The kernels of the benchmark itself, as launches. All throw cuda_error. */
namespace bench {

/** Uniform in shift - scale .. shift + scale; another `salt`, other numbers. */
struct noise {
  std::uint64_t salt;
  float scale;
  float shift;
};

/** Fills device memory with `count` random numbers of `type`, on the legacy stream. */
void fill_random(ssugraph::dtype type, void* data, std::size_t count, noise values);

/** Sets cursors[slots[i]] to rows[i] of `count`, in the order of `stream`. */
void place_cursors(const ssugraph::ring_cursor* rows, const std::int32_t* slots, std::int32_t count,
                   ssugraph::ring_cursor* cursors, cudaStream_t stream);

/** What one launch of the floor moves: of every sequence the slot it reads, to all that it has. */
struct floor_job {
  void* state = nullptr;                ///< slots of `state_bytes`, 16-byte aligned
  std::int64_t state_bytes = 0;         ///< a multiple of 16
  void* scale = nullptr;                ///< slots of `scale_bytes`, 16-byte aligned
  std::int64_t scale_bytes = 0;         ///< a multiple of 16; 0: there are none
  const std::int32_t* slots = nullptr;  ///< (sequences, slots_a_sequence)
  std::int64_t slots_a_sequence = 1;
  const std::int32_t* accepted = nullptr;  ///< (sequences), which of its slots is read, from 1;
                                           ///< null: the first
  const ssugraph::ring_cursor* cursors = nullptr;  ///< of each slot; null: all states are stored
  std::int64_t interval = 0;                       ///< live rows from which on one is
};

/**
 * Reads and writes back what an SSU must, and does nothing else. It reads only once the kernel in
 * front is over, and lets the one behind start before that.
 */
[[nodiscard]] ssugraph::detail::kernel_launch floor_launch(const floor_job& job,
                                                           std::int32_t sequences);

/** Whether the floor may be launched programmatically: its image was compiled for 9.0 or later. */
[[nodiscard]] bool floor_can_be_programmatic();

/** Blocks of a stand-in, one a multiprocessor. */
[[nodiscard]] unsigned stand_in_blocks();

/**
 * A kernel of somebody else's: keeps every multiprocessor a little busy for `microseconds` of the
 * highest clock, then writes one float a block to `out`.
 */
[[nodiscard]] ssugraph::detail::kernel_launch stand_in_launch(double microseconds, float* out,
                                                              bool triggers_early);

/** One thread that draws seed `draw`, as one call of torch.randint does. */
[[nodiscard]] ssugraph::detail::kernel_launch seed_launch(std::uint64_t draw, std::int64_t* out);

}  // namespace bench
