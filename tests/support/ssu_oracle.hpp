#pragma once

#include <ssugraph/config.hpp>
#include <ssugraph/ssu.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ssugraph::test {

/** One element that a call writes. */
struct expected_element {
  const std::byte* address;
  double value;              ///< before it is rounded to its dtype
  std::uint32_t random = 0;  ///< its rounding bits, of a stochastically rounded tensor
  bool exact = false;        ///< must be `value` to the bit (zero rows)
  double terms = 0;          ///< magnitudes that `value` is the sum of: what an error is a part of
  double slack = 0;          ///< what its sum may be off by, beyond what all sums may
};

/** Of a scaled state: elements first..first + count - 1 of its tensor, which share a scale. */
struct expected_row {
  const std::byte* scale;
  std::size_t first;
  std::size_t count;
};

/** Which bits round a stored state. */
enum class rounding_bits : std::uint8_t {
  contract,     ///< a function of seed, element, token and slot
  own,          ///< a backend's own: any neighbour of the value is right
  own_flushed,  ///< the same, and subnormal results may become zero
};

struct expected_tensor {
  std::string name;
  ssugraph::dtype dtype = ssugraph::dtype::float32;
  bool stochastic = false;
  rounding_bits bits = rounding_bits::contract;
  std::vector<expected_element> elements;
  std::vector<expected_row> rows;  ///< of a scaled state: all of its elements
};

/** What a call writes. Nothing else may change. */
struct expected_result {
  expected_tensor state;
  expected_tensor out;
};

/**
 * The float64 evaluation of one SSU call on host tensors. Writes nothing: every source state is
 * what it was before the call. `seed` serves stochastic rounding.
 */
[[nodiscard]] expected_result ssu_oracle(const ssu_args& args, const mamba_config& config,
                                         std::int64_t seed);

/** Rows begin..end-1 of `out` must be zero. */
void expect_zero_rows(expected_result& result, const tensor_view& out, std::int64_t begin,
                      std::int64_t end);

/** `args` with every head and group axis, those of extent 1, too. */
[[nodiscard]] ssu_args with_all_axes(ssu_args args);

/** dt' of a token: row `row` of dt at (head, d), `args` having all axes. */
[[nodiscard]] double oracle_dt(const ssu_args& args, std::int64_t row, std::int64_t head,
                               std::int64_t d);

/** Rounding bits of element e of a state, of the draw for `word` (a token, a position) and `slot`.
 */
[[nodiscard]] std::uint32_t oracle_bits(std::uint64_t seed, int rounds, std::int64_t e,
                                        std::int64_t word, std::int64_t slot);

/** Philox-4x32, written for the tests. */
[[nodiscard]] std::array<std::uint32_t, 4> oracle_philox(std::uint64_t key,
                                                         std::uint64_t counter_low,
                                                         std::uint64_t counter_high, int rounds);
/** Draw `n` of the seed stream of `seed`. */
[[nodiscard]] std::int64_t oracle_draw(std::uint64_t seed, std::uint64_t n);

}  // namespace ssugraph::test
