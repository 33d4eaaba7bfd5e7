#pragma once

#include "lib/core/host_device.hpp"

#include <cstdint>

namespace ssugraph::detail {

struct philox_words {
  std::uint32_t w[4];
};

/** One round of Philox-4x32 by a 64-bit key, low word first. */
SSUGRAPH_HOST_DEVICE inline philox_words philox_round(philox_words counter, std::uint64_t key) {
  const std::uint64_t product_0 = std::uint64_t{0xD2511F53u} * counter.w[0];
  const std::uint64_t product_1 = std::uint64_t{0xCD9E8D57u} * counter.w[2];
  return {
      {static_cast<std::uint32_t>(product_1 >> 32) ^ counter.w[1] ^ static_cast<std::uint32_t>(key),
       static_cast<std::uint32_t>(product_1),
       static_cast<std::uint32_t>(product_0 >> 32) ^ counter.w[3] ^
           static_cast<std::uint32_t>(key >> 32),
       static_cast<std::uint32_t>(product_0)}};
}

/** The key of the round behind that of `key`. */
SSUGRAPH_HOST_DEVICE inline std::uint64_t next_philox_key(std::uint64_t key) {
  const auto low = static_cast<std::uint32_t>(key) + 0x9E3779B9u;
  const auto high = static_cast<std::uint32_t>(key >> 32) + 0xBB67AE85u;
  return std::uint64_t{high} << 32 | low;
}

/**
 * Philox-4x32: `rounds` rounds over a 128-bit counter with a 64-bit key, low word first. Source:
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
SSUGRAPH_HOST_DEVICE inline philox_words philox4x32(philox_words counter, std::uint64_t key,
                                                    int rounds) {
  for (int round = 0; round < rounds; ++round) {
    counter = philox_round(counter, key);
    key = next_philox_key(key);
  }
  return counter;
}

/** Draw `n` of the seed stream of `seed`; see ssugraph::seed_draw. */
SSUGRAPH_HOST_DEVICE inline std::int64_t draw_seed(std::uint64_t seed, std::uint64_t n) {
  const philox_words counter{
      {static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32), 0, 0}};
  return static_cast<std::int64_t>(philox4x32(counter, seed, 10).w[1]);
}

/**
 * The 128 random bits of eight neighbouring state elements: elements 8 * octet .. 8 * octet + 7 of
 * a slot, in (head, dim, dstate) order, for the token at position `t` of the sequence read from
 * `slot`.
 */
SSUGRAPH_HOST_DEVICE inline philox_words rounding_words(std::int64_t seed, std::uint32_t octet,
                                                        std::uint32_t t, std::int64_t slot,
                                                        int rounds) {
  const auto wide_slot = static_cast<std::uint64_t>(slot);
  const philox_words counter{{octet, t, static_cast<std::uint32_t>(wide_slot),
                              static_cast<std::uint32_t>(wide_slot >> 32)}};
  return philox4x32(counter, static_cast<std::uint64_t>(seed), rounds);
}

/** The half-word of element `element` (its index modulo 8 counts). */
SSUGRAPH_HOST_DEVICE inline std::uint32_t rounding_bits(const philox_words& words,
                                                        std::uint32_t element) {
  return (words.w[(element >> 1) & 3u] >> (16 * (element & 1u))) & 0xffffu;
}

}  // namespace ssugraph::detail
