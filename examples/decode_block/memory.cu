#include "memory.hpp"

#include <thrust/execution_policy.h>
#include <thrust/mismatch.h>
#include <thrust/swap.h>
#include <thrust/tabulate.h>

#include <cmath>

namespace decode_block {
namespace {

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
  device_array<T> make(std::int64_t size, float low, float high) {
    device_array<T> made{size};
    thrust::tabulate(thrust::cuda::par.on(stream_), made.data(), made.data() + size,
                     uniform<T>{seed_++, low, high});
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

/** Eight bytes at a time; every array is a multiple of that. */
std::uint64_t* words(const device_array<bf16>& array) {
  return reinterpret_cast<std::uint64_t*>(array.data());
}

std::int64_t word_count(const device_array<bf16>& array) {
  return static_cast<std::int64_t>(array.bytes() / sizeof(std::uint64_t));
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
    states.push_back({random.make<bf16>(slots * model.state_slot(), -1.0f, 1.0f),
                      random.make<bf16>(slots * model.conv_slot(), -1.0f, 1.0f)});
  }
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

void swap_contents(const device_array<bf16>& a, const device_array<bf16>& b, cudaStream_t stream) {
  thrust::swap_ranges(thrust::cuda::par.on(stream), words(a), words(a) + word_count(a), words(b));
}

std::optional<std::int64_t> first_difference(const device_array<bf16>& a,
                                             const device_array<bf16>& b, cudaStream_t stream) {
  const auto policy = thrust::cuda::par.on(stream);
  const auto [in_a, in_b] = thrust::mismatch(policy, words(a), words(a) + word_count(a), words(b));
  if (in_a == words(a) + word_count(a)) return std::nullopt;
  // Within the word: on the host.
  const std::int64_t first = (in_a - words(a)) * 4;
  const std::vector<bf16> left = download(a, first, 4, stream);
  const std::vector<bf16> right = download(b, first, 4, stream);
  for (std::int64_t i = 0; i < 4; ++i) {
    if (__bfloat16_as_ushort(left[i]) != __bfloat16_as_ushort(right[i])) return first + i;
  }
  return first;
}

}  // namespace decode_block
