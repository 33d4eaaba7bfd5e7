#pragma once

#include "machine.hpp"
#include "scheduler.hpp"
#include "workload.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/dispatch.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace serving_loop {

/**
 * Computes a step of one sequence again, layer by layer, by the reference backend on the host.
 * Where states are checkpointed it knows of no rings: it goes on from the checkpoint token by
 * token, with inputs made anew, first to where the next one is due, then to the end. Layers may be
 * computed by several threads.
 */
class recomputation {
 public:
  /** `config` and `seed` are those of the lane. */
  recomputation(const served_shape& shape, const ssugraph::mamba_config& config,
                std::uint64_t seed);

  /** `before`: the slots of the sequence in this layer; `draw` is the layer's. */
  void run(std::int32_t layer, const std::byte* before, const sequence& running,
           std::uint64_t draw);

  /** The slots of the sequence behind the step. */
  [[nodiscard]] const std::byte* slots(std::int32_t layer, const sequence& running) const;
  /** The rows of its new tokens. */
  [[nodiscard]] const std::uint16_t* out(std::int32_t layer, const sequence& running) const;

 private:
  /** What a layer is computed with. Its state has all slots, so that a slot keeps its number; only
   *  the pages of slots that are followed take memory. */
  struct reference_layer {
    layer_weights weights;
    memory state;
    std::vector<std::uint16_t> conv, dt, z, out;
  };

  [[nodiscard]] layer_memory memory_of(reference_layer& own) const;
  void load(reference_layer& own, const std::byte* before, const sequence& running) const;
  void make_inputs_of(std::int32_t layer, const sequence& running, std::int32_t first_position,
                      std::int32_t tokens);
  void step(reference_layer& own, const sequence& running, std::int64_t seed);
  void go_on(reference_layer& own, const sequence& running, std::int32_t tokens, std::int64_t seed);
  void update(ssugraph::ssu_args args, std::int64_t seed);

  served_shape shape_;
  std::uint64_t seed_;
  ssugraph::ssu_dispatch reference_;
  std::vector<reference_layer> layers_;
};

}  // namespace serving_loop
