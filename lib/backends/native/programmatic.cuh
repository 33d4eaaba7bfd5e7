#pragma once

#include "lib/backends/native/policy.hpp"
#include "lib/backends/native/ssu_params.hpp"

#include <cstdint>

/**
 * Which part of a launch a block is, and its order under programmatic dependent launch: nothing is
 * written before the wait; what is read before it, no launch writes that may still run; every warp
 * waits before it ends. The launch behind may start (a *trigger*) at once where it knows of all
 * launches that may still run, else behind the wait.
 */
namespace ssugraph::detail {

__device__ inline void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ inline void trigger_successor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ inline void wait_and_trigger() {
  wait_for_predecessor();
  trigger_successor();
}

/** What a block works on. */
struct block_place {
  std::uint32_t sequence;
  std::uint32_t head;
  std::uint32_t tile;  ///< of the head
};

/** Sequences come in an order that mixes the last ones, which padding makes null, with live ones.
 */
__device__ inline block_place place_of_block(const ssu_params& p) {
  const std::uint32_t heads_before = p.tiles.quotient(blockIdx.x);
  const std::uint32_t number = p.heads.quotient(heads_before);
  return {.sequence = number / 2 + (number % 2 == 0 ? 0 : (p.sequences + 1) / 2),
          .head = heads_before - number * p.heads.divisor(),
          .tile = blockIdx.x - heads_before * p.tiles.divisor()};
}

}  // namespace ssugraph::detail
