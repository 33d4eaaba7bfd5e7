#pragma once

/** @file
 *  Which implementation of the SSU runs. */

#include <ssugraph/export.hpp>

#include <string>

namespace ssugraph {

/** Which implementation runs, and how it stores the state. */
struct mamba_config {
  /** Name of a backend: `native`, `triton` or `flashinfer` (CUDA), `reference` (CPU), one that
   *  register_mamba_ssu_backend added, or `automatic`: the fastest that serves the problem. */
  std::string backend = "native";
  /** Store the state with stochastic rounding; an error for fp32, which is not rounded. */
  bool stochastic_rounding = false;
  /** Rounds of Philox-4x32 behind the rounding bits, 3..10; 0 means 10. With 1 or 2 the 32 bits of
   *  a seed do not reach every word of the draw, and most elements round one way for ever. */
  int philox_rounds = 0;
  /** `auto`, or an algorithm that the backend names; native: `vector`, `scalar` or a tile, rows a
   *  thread x threads, as `8x128`; triton: a tile, rows x warps, as `16x4`; flashinfer: `simple`,
   *  `vertical`, `horizontal`. */
  std::string algorithm = "auto";

  bool operator==(const mamba_config&) const = default;
};

}  // namespace ssugraph
