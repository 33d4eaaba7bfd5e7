#pragma once

#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"

#include <cstdint>

/** What a block holds of its tokens in shared memory. */
namespace ssugraph::detail::native {

/** B or C of several tokens: the octets of all lanes, in halves, so that the threads of a row read
 *  neighbouring 16 bytes. */
template <int Lanes>
struct staged_octets {
  float4 half[staged_tokens][2][Lanes];
  static_assert(octet_size * sizeof(float) == 2 * sizeof(float4), "an octet is two halves");

  __device__ void write(int at, std::uint32_t lane, const float (&from)[octet_size]) {
    half[at][0][lane] = make_float4(from[0], from[1], from[2], from[3]);
    half[at][1][lane] = make_float4(from[4], from[5], from[6], from[7]);
  }
  __device__ void read(int at, std::uint32_t lane, float (&to)[octet_size]) const {
    memcpy(to, &half[at][0][lane], sizeof(float4));
    memcpy(to + 4, &half[at][1][lane], sizeof(float4));
  }
};

/** By token and, where it is so, by row of the tile: first those of one thread, then of the next.
 */
template <class V>
struct token_stage {
  static constexpr int rows = V::max_workers / V::lanes * V::rows;

  staged_octets<V::lanes> B;
  staged_octets<V::lanes> C;
  float x[staged_tokens][rows];
  float dt_x[staged_tokens][rows];
  float gate[staged_tokens][rows];              ///< silu(z)
  float dt[staged_tokens][V::tied ? 1 : rows];  ///< untied: dt'
  float decay[staged_tokens];                   ///< tied: exp(A dt')
  std::int64_t slot[staged_tokens];             ///< that takes the state, or -1
};

}  // namespace ssugraph::detail::native
