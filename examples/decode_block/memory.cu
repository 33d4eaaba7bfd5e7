#include "memory.hpp"

#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <thrust/execution_policy.h>
#include <thrust/mismatch.h>
#include <thrust/swap.h>
#include <thrust/tabulate.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace decode_block {
namespace {

using ssugraph::dtype;

/** Uniform in [low, high), a pure function of (seed, element). */
template <class T>
struct uniform {
  std::uint64_t seed;
  float low;
  float high;

  /** The finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
   *  generators", OOPSLA 2014. */
  static __device__ std::uint64_t mix(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  __device__ T operator()(std::int64_t element) const {
    const std::uint64_t bits = mix(mix(seed) ^ static_cast<std::uint64_t>(element));
    const float share = static_cast<float>(bits >> 40) * 0x1p-24f;
    return static_cast<T>(low + (high - low) * share);
  }
};

/** Makes random arrays, no two of the same numbers. */
class source {
 public:
  source(std::uint64_t first_seed, cudaStream_t stream) : seed_{first_seed}, stream_{stream} {}

  template <class T>
  void fill(T* data, std::int64_t size, float low, float high) {
    thrust::tabulate(thrust::cuda::par.on(stream_), data, data + size,
                     uniform<T>{seed_++, low, high});
  }

  template <class T>
  device_array<T> make(std::int64_t size, float low, float high) {
    device_array<T> made{size};
    fill(made.data(), size, low, high);
    return made;
  }

  /** A weight of `inputs` numbers to a sum, which keeps their variance. */
  device_array<bf16> weight(std::int64_t size, std::int64_t inputs) {
    const float limit = std::sqrt(3.0f / static_cast<float>(inputs));
    return make<bf16>(size, -limit, limit);
  }

 private:
  std::uint64_t seed_;
  cudaStream_t stream_;
};

layer_weights make_layer(const model& model, source& random) {
  layer_weights weights;
  weights.pre_norm = random.make<bf16>(model.d_model, 0.5f, 1.5f);
  weights.in_proj = random.weight(model.projected() * model.d_model, model.d_model);
  weights.conv = random.weight(conv_width * model.conv_channels(), conv_width);
  weights.conv_bias = random.make<bf16>(model.conv_channels(), -0.5f, 0.5f);
  // As Mamba-2 starts from: A in [-16, -1], and steps behind the softplus of 0.002 to 0.1.
  weights.A = random.make<float>(model.nheads, -16.0f, -1.0f);
  weights.D = random.make<bf16>(model.nheads, 0.5f, 1.5f);
  weights.dt_bias = random.make<bf16>(model.nheads, -6.0f, -2.0f);
  weights.norm = random.make<bf16>(model.inner(), 0.5f, 1.5f);
  weights.out_proj = random.weight(model.d_model * model.inner(), model.inner());
  return weights;
}

/** Calls `work(Element{}, greatest)` with what states of `type` are made of, and its greatest code;
 * 1 of a float. */
template <class Work>
void with_state_element(dtype type, Work work) {
  switch (type) {
    case dtype::float32:
      return work(float{}, 1.0f);
    case dtype::float16:
      return work(__half{}, 1.0f);
    case dtype::bfloat16:
      return work(bf16{}, 1.0f);
    case dtype::int16:
      return work(std::int16_t{}, 32767.0f);
    case dtype::int8:
      return work(std::int8_t{}, 127.0f);
    case dtype::float8_e4m3:
      return work(__nv_fp8_e4m3{}, 448.0f);
    case dtype::int32:
    case dtype::int64:
      break;
  }
  throw std::invalid_argument{"no state of " + std::string{to_string(type)}};
}

/** Around 1 in magnitude. */
layer_state make_state(const model& model, std::int64_t slots, source& random) {
  const std::int64_t size = slots * model.state_slot();
  layer_state made;
  made.ssm = device_array<std::byte>{size * ssugraph::size_of(model.state_dtype)};
  with_state_element(model.state_dtype, [&]<class Element>(Element, float greatest) {
    random.fill(reinterpret_cast<Element*>(made.ssm.data()), size, -greatest, greatest);
    if (is_scaled(model.state_dtype))
      made.scale = random.make<float>(slots * model.inner(), 0.5f / greatest, 1.5f / greatest);
  });
  made.conv = random.make<bf16>(slots * model.conv_slot(), -1.0f, 1.0f);
  if (model.checkpoint > 0) {
    const std::int64_t rows = slots * model.ring_rows();
    made.x_ring = random.make<bf16>(rows * model.inner(), -1.0f, 1.0f);
    made.B_ring = random.make<bf16>(rows * model.group_inputs(), -1.0f, 1.0f);
    made.dt_ring = random.make<float>(rows * model.nheads, 0.002f, 0.1f);
  }
  return made;
}

/** From a code to the next. */
float unit_of(float code, dtype type) {
  constexpr int mantissa_bits = 3;
  constexpr int least_exponent = -6;
  if (type != dtype::float8_e4m3) return 1;
  return std::ldexp(1.0f, std::max(std::ilogb(code), least_exponent) - mantissa_bits);
}

/** Eight bytes at a time. */
std::uint64_t* words(std::span<std::byte> array) {
  return reinterpret_cast<std::uint64_t*>(array.data());
}

std::int64_t word_count(std::span<std::byte> array) {
  return static_cast<std::int64_t>(array.size() / sizeof(std::uint64_t));
}

}  // namespace

model_weights::model_weights(const decode_block::model& shape, cudaStream_t stream) : model{shape} {
  source random{1000, stream};
  embedding = random.make<bf16>(vocabulary * model.d_model, -1.5f, 1.5f);
  for (std::int32_t layer = 0; layer < model.layers; ++layer)
    layers.push_back(make_layer(model, random));
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

decode_memory::decode_memory(const decode_block::model& model, std::int32_t max_sequences,
                             cudaStream_t stream)
    : max_batch{max_sequences},
      slots{max_sequences + 2},
      tokens{max_batch},
      slot_of{max_batch},
      normed{max_batch * model.d_model},
      projected{max_batch * model.projected()},
      convolved{max_batch * model.conv_channels()},
      out{max_batch * model.inner()},
      gated{max_batch * model.inner()} {
  source random{1'000'000, stream};
  residual.emplace_back(max_batch * model.d_model);
  for (std::int32_t layer = 0; layer < model.layers; ++layer) {
    residual.emplace_back(max_batch * model.d_model);
    states.push_back(make_state(model, slots, random));
  }
  if (model.checkpoint > 0) {
    cursor = device_array<ssugraph::ring_cursor>{slots};
    spread_cursors(model, *this, stream);
  }
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

state_values read_state(const model& model, const layer_state& state, std::int64_t slot,
                        cudaStream_t stream) {
  const bool scaled = is_scaled(model.state_dtype);
  std::vector<float> scales(static_cast<std::size_t>(model.inner()), 1.0f);
  if (scaled) scales = download(state.scale, slot * model.inner(), model.inner(), stream);
  state_values read;
  with_state_element(model.state_dtype, [&]<class Element>(Element, float) {
    const auto* first = reinterpret_cast<const Element*>(state.ssm.data());
    const std::vector<Element> codes =
        download(first + slot * model.state_slot(), model.state_slot(), stream);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const float scale = scales[i / static_cast<std::size_t>(model.dstate)];
      const auto code = static_cast<float>(codes[i]);
      read.values.push_back(code * scale);
      if (scaled) read.units.push_back(unit_of(code, model.state_dtype) * scale);
    }
  });
  return read;
}

void swap_contents(std::span<std::byte> a, std::span<std::byte> b, cudaStream_t stream) {
  thrust::swap_ranges(thrust::cuda::par.on(stream), words(a), words(a) + word_count(a), words(b));
}

std::optional<std::int64_t> first_difference(std::span<std::byte> a, std::span<std::byte> b,
                                             cudaStream_t stream) {
  const auto policy = thrust::cuda::par.on(stream);
  const auto [in_a, in_b] = thrust::mismatch(policy, words(a), words(a) + word_count(a), words(b));
  if (in_a == words(a) + word_count(a)) return std::nullopt;
  // Within the word: on the host.
  constexpr auto word = static_cast<std::int64_t>(sizeof(std::uint64_t));
  const std::int64_t first = (in_a - words(a)) * word;
  const std::vector<std::byte> left = download(a.data() + first, word, stream);
  const std::vector<std::byte> right = download(b.data() + first, word, stream);
  return first + (std::ranges::mismatch(left, right).in1 - left.begin());
}

}  // namespace decode_block
