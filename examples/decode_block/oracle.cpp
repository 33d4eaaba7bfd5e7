#include "oracle.hpp"

#include "kernels.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <future>
#include <span>
#include <thread>

namespace decode_block {
namespace {

double read(bf16 value) {
  return static_cast<double>(__bfloat162float(value));
}

/** As the device stores it. */
double rounded(double value) {
  return read(__float2bfloat16(static_cast<float>(value)));
}

double silu(double value) {
  return value / (1 + std::exp(-value));
}

double softplus(double value) {
  return value <= 20 ? std::log1p(std::exp(value)) : value;
}

/** Calls `work(begin, end)` for pieces of 0 .. count - 1 on all cores. */
void in_parallel(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& work) {
  const auto workers = std::max<std::int64_t>(std::thread::hardware_concurrency(), 1);
  const std::int64_t piece = (count + workers - 1) / workers;
  std::vector<std::future<void>> pieces;
  for (std::int64_t begin = 0; begin < count; begin += piece) {
    pieces.push_back(std::async(std::launch::async, work, begin, std::min(begin + piece, count)));
  }
  for (auto& each : pieces)
    each.get();
}

/** weight (outputs, inputs) times `in`. */
std::vector<double> multiply(const std::vector<bf16>& weight, const std::vector<double>& in) {
  const auto inputs = std::ssize(in);
  std::vector<double> out(weight.size() / in.size());
  in_parallel(std::ssize(out), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      double sum = 0;
      for (std::int64_t k = 0; k < inputs; ++k)
        sum += read(weight[row * inputs + k]) * in[k];
      out[row] = sum;
    }
  });
  return out;
}

/** Each group of `values` on its own. */
std::vector<double> normalize(std::vector<double> values, const std::vector<bf16>& weight,
                              std::int64_t groups) {
  const std::int64_t width = std::ssize(values) / groups;
  for (std::int64_t first = 0; first < std::ssize(values); first += width) {
    double squares = 0;
    for (std::int64_t i = first; i < first + width; ++i)
      squares += values[i] * values[i];
    const double scale = 1 / std::sqrt(squares / double(width) + double{norm_epsilon});
    for (std::int64_t i = first; i < first + width; ++i)
      values[i] = rounded(values[i] * scale * read(weight[i]));
  }
  return values;
}

/** The convolution of one token; `state` becomes its inputs without the oldest. */
std::vector<double> convolve(const host_weights& weights, std::span<const double> in,
                             const std::vector<float>& before, std::vector<double>& state) {
  const auto channels = std::ssize(in);
  std::vector<double> out(in.size());
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    double sum = read(weights.conv_bias[channel]);
    for (std::int64_t tap = 0; tap < conv_width; ++tap) {
      const bool is_new = tap == conv_width - 1;
      const double value = is_new ? in[channel] : double{before[tap * channels + channel]};
      sum += value * read(weights.conv[tap * channels + channel]);
      if (tap > 0) state[(tap - 1) * channels + channel] = value;
    }
    out[channel] = rounded(silu(sum));
  }
  return out;
}

/** The SSU of one token in one head; `state` (dim, dstate) is updated in place. */
void update_head(const model& shape, const host_weights& weights, std::int64_t head,
                 std::span<const double> convolved, double dt_input, std::span<double> state,
                 std::span<double> out) {
  const std::int64_t group = head / (shape.nheads / shape.ngroups);
  const auto x = convolved.subspan(head * shape.dim, shape.dim);
  const auto B = convolved.subspan(shape.inner() + group * shape.dstate, shape.dstate);
  const auto C =
      convolved.subspan(shape.inner() + shape.group_inputs() + group * shape.dstate, shape.dstate);
  const double dt = softplus(dt_input + read(weights.dt_bias[head]));
  const double decay = std::exp(double{weights.A[head]} * dt);
  for (std::int64_t d = 0; d < shape.dim; ++d) {
    double sum = read(weights.D[head]) * x[d];
    for (std::int64_t n = 0; n < shape.dstate; ++n) {
      double& h = state[d * shape.dstate + n];
      h = h * decay + dt * x[d] * B[n];
      sum += h * C[n];
    }
    out[d] = rounded(sum);
  }
}

}  // namespace

host_weights::host_weights(const layer_weights& weights, cudaStream_t stream)
    : pre_norm{download(weights.pre_norm, stream)},
      in_proj{download(weights.in_proj, stream)},
      conv{download(weights.conv, stream)},
      conv_bias{download(weights.conv_bias, stream)},
      D{download(weights.D, stream)},
      dt_bias{download(weights.dt_bias, stream)},
      norm{download(weights.norm, stream)},
      out_proj{download(weights.out_proj, stream)},
      A{download(weights.A, stream)} {}

sequence_values<double> evaluate_layer(const model& shape, const host_weights& weights,
                                       const sequence_values<float>& before) {
  std::vector<double> residual{before.residual.begin(), before.residual.end()};
  sequence_values<double> after;
  after.conv_state.resize(before.conv_state.size());
  after.ssm_state.assign(before.ssm_state.begin(), before.ssm_state.end());

  std::vector<double> projected =
      multiply(weights.in_proj, normalize(residual, weights.pre_norm, 1));
  std::ranges::transform(projected, projected.begin(), rounded);
  const std::span z{projected.data(), static_cast<std::size_t>(shape.inner())};
  const std::span conv_in{z.data() + z.size(), static_cast<std::size_t>(shape.conv_channels())};
  const std::span dt{conv_in.data() + conv_in.size(), static_cast<std::size_t>(shape.nheads)};

  const std::vector<double> convolved =
      convolve(weights, conv_in, before.conv_state, after.conv_state);

  std::vector<double> gated(z.size());
  for (std::int64_t head = 0; head < shape.nheads; ++head) {
    const auto state = std::span{after.ssm_state}.subspan(head * shape.dim * shape.dstate,
                                                          shape.dim * shape.dstate);
    const auto out = std::span{gated}.subspan(head * shape.dim, shape.dim);
    update_head(shape, weights, head, convolved, dt[head], state, out);
  }
  for (std::size_t i = 0; i < gated.size(); ++i)
    gated[i] *= silu(z[i]);

  after.residual = multiply(weights.out_proj, normalize(gated, weights.norm, shape.ngroups));
  std::ranges::transform(after.residual, residual, after.residual.begin(), std::plus{});
  return after;
}

}  // namespace decode_block
