#pragma once

/** @file
 *  Seeds of stochastic rounding, as torch draws them. */

#include <ssugraph/export.hpp>

#include <cstdint>

namespace ssugraph {

/** Where a seed stream stands: its seed and the index of the next draw. */
struct random_state {
  std::uint64_t seed = 0;       ///< as of `torch.manual_seed`
  std::uint64_t next_draw = 0;  ///< so many were drawn

  bool operator==(const random_state&) const = default;
};

/**
 * Draw `n` of the seed stream of `seed`: word 1 of philox4x32_10(key = seed, counter = (n low,
 * n high, 0, 0)), an unsigned 32-bit value. Bit for bit the n-th
 * `torch.randint(0, 2**32, (1,), device="cuda")` after `torch.manual_seed(seed)`; torch's generator
 * offset is then 4n. Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
[[nodiscard]] SSUGRAPH_EXPORT std::int64_t seed_draw(std::uint64_t seed, std::uint64_t n) noexcept;

}  // namespace ssugraph
