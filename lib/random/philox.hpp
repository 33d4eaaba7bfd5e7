#pragma once

#include "lib/core/host_device.hpp"

#include <cstdint>

namespace ssugraph::detail {

struct philox_words {
  std::uint32_t w[4];
};

/** The key of a round. */
struct philox_key {
  std::uint32_t low;
  std::uint32_t high;

  SSUGRAPH_HOST_DEVICE explicit philox_key(std::uint64_t key)
      : low{static_cast<std::uint32_t>(key)}, high{static_cast<std::uint32_t>(key >> 32)} {}

  SSUGRAPH_HOST_DEVICE void advance() {
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
};

/** Both words of a product. */
struct wide_product {
  std::uint32_t low;
  std::uint32_t high;
};

SSUGRAPH_HOST_DEVICE inline wide_product multiply(std::uint32_t a, std::uint32_t b) {
#ifdef __CUDA_ARCH__
  wide_product product;
  asm("{ .reg .u64 both; mul.wide.u32 both, %2, %3; mov.b64 {%0, %1}, both; }"
      : "=r"(product.low), "=r"(product.high)
      : "r"(a), "r"(b));
  return product;
#else
  const std::uint64_t product = std::uint64_t{a} * b;
  return {static_cast<std::uint32_t>(product), static_cast<std::uint32_t>(product >> 32)};
#endif
}

/** One round of Philox-4x32. */
SSUGRAPH_HOST_DEVICE inline philox_words philox_round(const philox_words& counter,
                                                      const philox_key& key) {
  const wide_product product_0 = multiply(counter.w[0], 0xD2511F53u);
  const wide_product product_1 = multiply(counter.w[2], 0xCD9E8D57u);
  return {{product_1.high ^ counter.w[1] ^ key.low, product_1.low,
           product_0.high ^ counter.w[3] ^ key.high, product_0.low}};
}

/**
 * Philox-4x32: `rounds` rounds over a 128-bit counter with a 64-bit key, low word first. Source:
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
SSUGRAPH_HOST_DEVICE inline philox_words philox4x32(philox_words counter, std::uint64_t key,
                                                    int rounds) {
  philox_key round_key{key};
  for (int round = 0; round < rounds; ++round) {
    counter = philox_round(counter, round_key);
    round_key.advance();
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
