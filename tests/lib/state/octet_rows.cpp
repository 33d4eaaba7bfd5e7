#include "tests/lib/state/octet_rows.hpp"

#include "tests/support/ssu_case.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace ssugraph::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float most = std::numeric_limits<float>::max();

/** A splitmix64 sequence of one row. */
class numbers {
 public:
  using result_type = std::uint64_t;
  explicit numbers(std::uint64_t seed) : state_{seed * 0x2545f4914f6cdd1du} {}

  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }
  std::uint64_t operator()() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /** From `low` to `high`, both included. */
  int pick(int low, int high) {
    return low + static_cast<int>((*this)() % static_cast<std::uint64_t>(high - low + 1));
  }
  float uniform() { return static_cast<float>((*this)() >> 40) * 0x1p-23f - 1.0f; }

 private:
  std::uint64_t state_;
};

/** Any exponent, NaN, infinities and subnormals, but seldom two of them in a row. */
float any_float(numbers& draw) {
  const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(draw()));
  return std::isfinite(value) || draw.pick(0, 7) == 0 ? value : 1.0f;
}

/** `greatest` is what makes enc a power of two, so that half a code is a tie. */
float half_codes(numbers& draw, float greatest_code, float power) {
  const bool is_float8 = greatest_code == 448.0f;
  const int halves = is_float8 ? draw.pick(0, 31) : draw.pick(0, 2 * int(greatest_code));
  const float value = static_cast<float>(draw.pick(0, 1) == 0 ? halves : -halves) / 2;
  // Sixteen halves to a power of two of e4m3, below 2^-6 of its subnormals.
  return is_float8 ? std::ldexp(value, draw.pick(-9, 4)) * power : value * power;
}

/** Around where rows become zeros, and at the ends of fp32. */
float edge(numbers& draw) {
  const std::array edges{0x1p-100f,
                         std::nextafter(0x1p-100f, 0.0f),
                         std::nextafter(0x1p-100f, 1.0f),
                         0x1p-126f,
                         0x1p-149f,
                         0.0f,
                         -0.0f,
                         most,
                         std::nextafter(most, 0.0f),
                         0x1p127f,
                         0x1p-99f};
  return edges[static_cast<std::size_t>(draw.pick(0, std::ssize(edges) - 1))];
}

float special(numbers& draw, int i, int which) {
  if (i != which) return draw.uniform();
  const std::array values{infinity, -infinity, std::bit_cast<float>(0x7fc00000u),
                          std::bit_cast<float>(0xff800001u), most};
  return values[static_cast<std::size_t>(draw.pick(0, std::ssize(values) - 1))];
}

}  // namespace

octet_row row_of_every_kind(std::uint64_t index, float greatest_code) {
  numbers draw{index + 1};
  octet_row row{};
  const auto kind = index % 8;
  const float power = std::ldexp(1.0f, draw.pick(-60, 60));
  const float scale = std::ldexp(draw.uniform() * 0.25f + 0.75f, draw.pick(-90, 110));
  const int which = draw.pick(0, 15);
  for (int i = 0; i < detail::octet_size; ++i) {
    float& h = row.h[i];
    if (kind == 0) h = any_float(draw);
    if (kind == 1) h = draw.uniform() * scale;
    if (kind == 2) h = std::round(draw.uniform() * greatest_code) * scale;
    if (kind == 3) h = half_codes(draw, greatest_code, power);
    if (kind == 4) h = std::ldexp(draw.uniform() * scale, -draw.pick(8, 20));
    if (kind == 5) h = special(draw, i, which);
    if (kind == 6) h = edge(draw) * static_cast<float>(draw.pick(0, 1) * 2 - 1);
    if (kind == 7) h = std::ldexp(draw.uniform() * scale, -draw.pick(0, 40));
  }
  const bool alone = draw.pick(0, 1) == 0;
  row.elsewhere = kind == 3                ? greatest_code * power
                  : kind == 6 || alone     ? 0.0f
                  : kind == 2 || kind == 0 ? greatest_code * scale
                                           : scale;
  for (std::uint32_t& word : row.random.w)
    word = static_cast<std::uint32_t>(draw());
  return row;
}

}  // namespace ssugraph::test
