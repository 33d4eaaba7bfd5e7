#pragma once

#include "lib/backends/native/sequence.cuh"
#include "lib/backends/native/tile.cuh"

#include <cstdint>

/**
 * The native SSU kernel. A block owns a tile of rows (dim) of one head of one sequence; `Lanes`
 * neighbouring threads share a row, each holding eight elements of dstate in fp32 from the first
 * token to the last, in `Rows` rows at once. Memory is touched once: state in, x dt B C in and out
 * a token, state out.
 *
 * Each thread *owns* one of its rows: it alone reads what that row has a scalar of (x, z, dt, D),
 * gets its sum over dstate, and writes its `out`.
 *
 * Order under programmatic dependent launch: nothing is written before the wait; what is read
 * before it, the launch in front does not write; every warp waits before it ends. One warp of a
 * block does nothing but wait and trigger, so that the others can load and compute meanwhile, and
 * only their stores wait.
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

/** Sequences in an order that mixes the last ones, which padding makes null, with live ones. */
__device__ inline std::uint32_t interleaved(std::uint32_t number, std::uint32_t sequences) {
  return number / 2 + (number % 2 == 0 ? 0 : (sequences + 1) / 2);
}

template <class V>
__global__ void __launch_bounds__(max_block_threads) __maxnreg__(V::max_registers)
    ssu_kernel(const __grid_constant__ ssu_params p) {
  using token = typename V::token;
  // --- The last warp holds no rows: it lets the next launch start as soon as that may
  const bool only_waits = threadIdx.x >= workers();
  if (only_waits || !p.state_ahead) {
    wait_for_predecessor();
    trigger_successor();
    if (only_waits) return;
  }

  // --- Which rows, which slot
  const std::uint32_t heads_before = p.tiles.quotient(blockIdx.x);
  const std::uint32_t number = p.heads.quotient(heads_before);
  const tile<V> mine{p, heads_before - number * p.heads.divisor(),
                     blockIdx.x - heads_before * p.tiles.divisor()};
  const std::uint32_t sequence = interleaved(number, p.sequences);
  std::int64_t seed = p.drawn_seed;
  if (V::rounding && p.rand_seed != nullptr) seed = *p.rand_seed;
  const std::int64_t source = source_slot(p, sequence);
  row_range tokens{sequence, 1};
  if constexpr (!V::one_token) tokens = rows_of(p, sequence);
  if (source < 0 || tokens.length == 0) {
    wait_for_predecessor();
    for (int t = 0; t < tokens.length; ++t)
      mine.write_out(mine.pointers_to(tokens, t).out, 0.0f);
    return;
  }

  // --- All loads, before the first is used: the state last, whose bytes would keep others waiting
  if (!p.inputs_ahead) {
    if (p.state_ahead) mine.prefetch_state(source);
    wait_for_predecessor();
  }
  const token_pointers first = mine.pointers_to(tokens, 0);
  token_inputs<V> in = mine.read_inputs(first);
  const head_parameters<V> layer = mine.read_parameters();
  raw_scalar dt{};
  token_inputs<V> next;
  if constexpr (!V::one_token) {
    dt = mine.read_step(tokens, 0);
    next = mine.read_inputs(mine.pointers_to(tokens, 1));
  }
  typename V::octet raw[V::rows];
  mine.read_state(source, raw);
  std::int64_t slot = destination_slot(p, sequence, source, 0, tokens.length);
  rounding_source from{seed, 0, source, p.philox_rounds};
  philox_words random[V::drawn];
  mine.draw(0, from, random);

  float h[V::rows][octet_size];
  if constexpr (V::one_token) {
    // --- The token; only its stores wait
    const float out =
        mine.update(in, mine.step_of(in.dt, layer), layer, raw, h, true, from, random,
                    [&](int r, const auto& word) { memcpy(raw[r], word, sizeof word); });
    std::byte* to = mine.first_row_of(slot);
    wait_for_predecessor();
    if (slot >= 0) {
#pragma unroll
      for (int r = 0; r < V::rows; ++r) {
        mine.write_row(r, to, raw[r]);
        to += mine.to_next_row(r);
      }
    }
    mine.write_out(mine.pointers_to(tokens, 0).out, out);
  } else {
    // --- The tokens, two more in flight. Tied, a thread makes the time step of one token for all
    // threads of its row.
#pragma unroll
    for (int r = 0; r < V::rows; ++r)
      widen<typename V::state>(raw[r], h[r]);
    wait_for_predecessor();
    time_step step{};
    for (int t = 0; t < tokens.length; ++t) {
      if (V::tied && t % V::lanes == 0) {
        if (t > 0) dt = mine.read_step(tokens, t);
        step = mine.step_of(dt, layer);
      }
      const token_inputs<V> now = in;
      const std::int64_t destination = slot;
      in = next;
      next = mine.read_inputs(mine.pointers_to(tokens, t + 2));
      if (t + 1 < tokens.length) slot = destination_slot(p, sequence, source, t + 1, tokens.length);
      from.t = static_cast<std::uint32_t>(t);
      if (t > 0 && destination >= 0) mine.draw(0, from, random);
      std::byte* to = mine.first_row_of(destination);
      const float out =
          mine.update(now, V::tied ? mine.of_token(step, t) : mine.step_of(now.dt, layer), layer,
                      raw, h, destination >= 0, from, random, [&](int r, const auto& word) {
                        mine.write_row(r, to, word);
                        to += mine.to_next_row(r);
                      });
      mine.write_out(mine.pointers_to(tokens, t).out, out);
    }
  }
}

}  // namespace ssugraph::detail
