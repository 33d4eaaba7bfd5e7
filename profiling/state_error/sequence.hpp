#pragma once

#include <cstdint>
#include <string>
#include <vector>

/** What is decoded, and what is right. */
namespace state_error {

/** Three heads of a Mamba-2 layer, of one group. */
inline constexpr std::int64_t nheads = 3;
inline constexpr std::int64_t dim = 64;
inline constexpr std::int64_t dstate = 128;

/** What a head is like: it forgets by exp(A * dt) a token, dt drawn log-uniformly. */
struct head_kind {
  std::string name;
  std::string title;  ///< in words
  float A;
  double least_dt;
  double most_dt;
  bool falls_silent;  ///< has no input in the second half, and only forgets
};

/** Of the heads, in their order. */
[[nodiscard]] const std::vector<head_kind>& kinds();

/** One sequence; each tensor fp32, dense, a row a token. */
struct sequence {
  std::int64_t tokens;
  std::vector<float> x;   ///< (tokens, nheads, dim)
  std::vector<float> dt;  ///< (tokens, nheads)
  std::vector<float> B;   ///< (tokens, 1, dstate)
  std::vector<float> C;   ///< (tokens, 1, dstate)
};

[[nodiscard]] sequence draw(std::int64_t tokens, std::uint64_t seed);

/** out (tokens, nheads, dim) of the recurrence in float64. */
[[nodiscard]] std::vector<double> evaluate(const sequence& given);

/** Root mean square of `out` - `right` over that of `right`, of a head over the second half. */
[[nodiscard]] double relative_error(const std::vector<float>& out, const std::vector<double>& right,
                                    std::int64_t head);

}  // namespace state_error
