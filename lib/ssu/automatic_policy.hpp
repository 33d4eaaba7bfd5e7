#pragma once

#include <ssugraph/ssu.hpp>

#include <array>
#include <cstdint>
#include <string_view>

/** Which backend `automatic` takes unmeasured, and what chose it. */
namespace ssugraph::detail {

/** The backends in order of preference; those that do not serve a problem are passed over. */
using preference = std::array<std::string_view, 4>;

inline constexpr preference native_first{"native", "triton", "flashinfer", "reference"};
inline constexpr preference peers_first{"flashinfer", "triton", "native", "reference"};

/** State that a call reads and writes before FlashInfer's pipelined kernel overtakes native. */
inline constexpr std::int64_t large_state_bytes = 64 << 20;

inline constexpr const preference& preferred(const ssu_problem& problem,
                                             std::int64_t state_bytes_moved) {
  const bool large = state_bytes_moved >= large_state_bytes;
  return large && !problem.stochastic_rounding ? peers_first : native_first;
}

}  // namespace ssugraph::detail
