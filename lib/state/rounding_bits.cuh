#pragma once

#include "lib/device/octet.hpp"
#include "lib/random/philox.hpp"

#include <cstdint>

/** The random bits of octets: what rounding_words and rounding_bits of lib/random/philox.hpp give,
 *  several octets at a time. */
namespace ssugraph::detail {

/** The number of Philox rounds whose loop is unrolled. */
inline constexpr int usual_philox_rounds = 10;

/** What random bits are made of, beside the place of the element. */
struct rounding_source {
  std::int64_t seed;
  std::uint32_t t;  ///< the token's position in its sequence
  std::int64_t slot;
  int rounds;
};

static_assert(octet_size * 16 == 8 * sizeof(philox_words),
              "a draw has a half-word for each element of an octet");

/** The draws of octets `first`, `first` + `apart`...: independent chains keep the multipliers busy.
 */
template <int Octets>
__device__ void draw_octets(const rounding_source& from, std::uint32_t first, std::uint32_t apart,
                            philox_words (&to)[Octets]) {
  const auto slot = static_cast<std::uint64_t>(from.slot);
#pragma unroll
  for (int i = 0; i < Octets; ++i) {
    to[i] = {{first + i * apart, from.t, static_cast<std::uint32_t>(slot),
              static_cast<std::uint32_t>(slot >> 32)}};
  }
  philox_key key{static_cast<std::uint64_t>(from.seed)};
  const auto next_round = [&] {
#pragma unroll
    for (int i = 0; i < Octets; ++i)
      to[i] = philox_round(to[i], key);
    key.advance();
  };
  if (from.rounds == usual_philox_rounds) {
#pragma unroll
    for (int round = 0; round < usual_philox_rounds; ++round)
      next_round();
  } else {
#pragma unroll 1
    for (int round = 0; round < from.rounds; ++round)
      next_round();
  }
}

/** The half-words of eight neighbours of a slot from element `first` on, in their order: of two
 *  draws where `first` does not start an octet. */
__device__ inline philox_words draw_unaligned(const rounding_source& from, std::int64_t first) {
  const auto e = static_cast<std::uint32_t>(first) % octet_size;
  philox_words draws[2];
  draw_octets(from, static_cast<std::uint32_t>(first >> 3), 1, draws);
  philox_words random;
#pragma unroll
  for (std::uint32_t i = 0; i < octet_size / 2; ++i) {
    const auto bits = [&](std::uint32_t at) {
      return at < octet_size ? rounding_bits(draws[0], at) : rounding_bits(draws[1], at);
    };
    random.w[i] = bits(e + 2 * i + 1) << 16 | bits(e + 2 * i);
  }
  return random;
}

}  // namespace ssugraph::detail
