#include "profiling/state_error/sequence.hpp"

#include <cmath>
#include <cstddef>
#include <random>

namespace state_error {
namespace {

std::size_t count(std::int64_t a, std::int64_t b, std::int64_t c = 1) {
  return static_cast<std::size_t>(a * b * c);
}

}  // namespace

const std::vector<head_kind>& kinds() {
  static const std::vector<head_kind> all{
      {"slow", "slow decay: A = -1, dt 0.001 to 0.01", -1.0f, 0.001, 0.01, false},
      {"usual", "usual decay: A = -4, dt 0.001 to 0.1", -4.0f, 0.001, 0.1, false},
      {"silent", "slow decay, no input in the second half", -1.0f, 0.001, 0.01, true}};
  return all;
}

sequence draw(std::int64_t tokens, std::uint64_t seed) {
  std::mt19937_64 engine{seed};
  std::normal_distribution<float> normal;
  sequence drawn{tokens, std::vector<float>(count(tokens, nheads, dim)),
                 std::vector<float>(count(tokens, nheads)),
                 std::vector<float>(count(tokens, dstate)),
                 std::vector<float>(count(tokens, dstate))};
  for (std::size_t row = 0; row < drawn.x.size(); ++row) {
    const bool is_silent = kinds()[row / dim % nheads].falls_silent && row >= drawn.x.size() / 2;
    const float x = normal(engine);
    drawn.x[row] = is_silent ? 0.0f : x;
  }
  for (std::size_t i = 0; i < drawn.dt.size(); ++i) {
    const head_kind& kind = kinds()[i % nheads];
    std::uniform_real_distribution<double> logarithm{std::log(kind.least_dt),
                                                     std::log(kind.most_dt)};
    drawn.dt[i] = static_cast<float>(std::exp(logarithm(engine)));
  }
  for (float& b : drawn.B)
    b = 0.3f + 0.5f * normal(engine);
  for (float& c : drawn.C)
    c = normal(engine);
  return drawn;
}

std::vector<double> evaluate(const sequence& given) {
  std::vector<double> out(given.x.size());
  std::vector<double> h(count(nheads, dim, dstate));
  for (std::size_t row = 0; row < out.size(); ++row) {  // of (token, head, d)
    const std::size_t token = row / count(nheads, dim);
    const std::size_t head = row / dim % nheads;
    const double dt = given.dt[token * nheads + head];
    const double decay = std::exp(kinds()[head].A * dt);
    double* const of_row = &h[row % count(nheads, dim) * dstate];
    for (std::size_t n = 0; n < dstate; ++n) {
      of_row[n] = of_row[n] * decay + dt * given.x[row] * given.B[token * dstate + n];
      out[row] += of_row[n] * given.C[token * dstate + n];
    }
  }
  return out;
}

double relative_error(const std::vector<float>& out, const std::vector<double>& right,
                      std::int64_t head) {
  double off = 0;
  double all = 0;
  for (std::size_t row = right.size() / 2; row < right.size(); ++row) {
    if (row / dim % nheads != static_cast<std::size_t>(head)) continue;
    off += (out[row] - right[row]) * (out[row] - right[row]);
    all += right[row] * right[row];
  }
  return std::sqrt(off / all);
}

}  // namespace state_error
