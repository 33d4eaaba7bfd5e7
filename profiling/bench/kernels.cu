#include "lib/core/cuda_check.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/random/philox.hpp"
#include "profiling/bench/kernels.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/scatter.h>
#include <thrust/tabulate.h>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace bench {
namespace {

using ssugraph::detail::check_cuda;
using ssugraph::detail::kernel_launch;
using ssugraph::detail::trigger_successor;
using ssugraph::detail::wait_for_predecessor;

// --- Random data

/** The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), as a number. */
template <class Number>
struct random_value {
  noise values;

  __device__ Number operator()(std::size_t i) const {
    std::uint64_t bits = values.salt * 0x9e3779b97f4a7c15 + i;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    const float unit = static_cast<float>(bits >> 40) / 8388608.0f - 1.0f;
    return static_cast<Number>(values.shift + values.scale * unit);
  }
};

template <class Number>
void fill(void* data, std::size_t count, noise values) {
  const auto begin = thrust::device_pointer_cast(static_cast<Number*>(data));
  thrust::tabulate(begin, begin + static_cast<std::ptrdiff_t>(count), random_value<Number>{values});
}

// --- The floor

constexpr unsigned floor_threads = 128;

__device__ std::int64_t words_of(std::int64_t bytes) {
  return bytes / std::int64_t{sizeof(uint4)};
}

/** Word `word` of a slot: of its state or, behind it, of its scales. */
__device__ uint4* word_of(const floor_job& job, std::int64_t slot, std::int64_t word) {
  const std::int64_t state_words = words_of(job.state_bytes);
  if (word < state_words) return static_cast<uint4*>(job.state) + slot * state_words + word;
  const std::int64_t scale_words = words_of(job.scale_bytes);
  return static_cast<uint4*>(job.scale) + slot * scale_words + (word - state_words);
}

/** Whether a sequence stores its state: always or, with rings, where a checkpoint is due. */
__device__ bool stores_state(const floor_job& job, std::int64_t slot) {
  if (job.cursors == nullptr) return true;
  const ssugraph::ring_cursor& cursor = job.cursors[slot];
  return cursor.count + cursor.pending >= job.interval;
}

/** Grid: pieces of a slot, sequences. Every load of a thread is in flight before its first store.
 *  No const __restrict__: what a graph writes must not be read through the read-only cache. */
template <int Vectors>
__global__ void __launch_bounds__(floor_threads) floor_kernel(floor_job job) {
  wait_for_predecessor();
  trigger_successor();

  const std::int64_t sequence = blockIdx.y;
  const std::int64_t words = words_of(job.state_bytes + job.scale_bytes);
  const std::int64_t first = std::int64_t{blockIdx.x} * floor_threads * Vectors + threadIdx.x;
  const std::int32_t* slots = job.slots + sequence * job.slots_a_sequence;
  const std::int32_t accepted = job.accepted == nullptr ? 1 : job.accepted[sequence];

  uint4 held[Vectors];
  unsigned seen = 0;
  const std::int64_t from = slots[accepted - 1];
#pragma unroll
  for (int i = 0; i < Vectors; ++i) {
    const std::int64_t word = first + i * floor_threads;
    if (word < words) held[i] = __ldcs(word_of(job, from, word));
  }
  if (!stores_state(job, from)) {
    // Loads that nobody uses would not be made; storing what was read is harmless.
#pragma unroll
    for (int i = 0; i < Vectors; ++i) {
      if (first + i * floor_threads < words) seen |= held[i].x & held[i].y & held[i].z & held[i].w;
    }
    if (seen != ~0u) return;
  }
  for (std::int64_t slot = 0; slot < job.slots_a_sequence; ++slot) {
    const std::int64_t to = slots[slot];
#pragma unroll
    for (int i = 0; i < Vectors; ++i) {
      const std::int64_t word = first + i * floor_threads;
      if (word < words) __stcs(word_of(job, to, word), held[i]);
    }
  }
}

// --- What stands between layers

constexpr unsigned stand_in_threads = 128;

__global__ void stand_in_kernel(std::int64_t cycles, float* out, bool triggers_early) {
  if (triggers_early) trigger_successor();
  const long long begin = clock64();
  long long passed = 0;
  while (passed < cycles)
    passed = clock64() - begin;
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<float>(passed);
}

__global__ void seed_kernel(std::uint64_t draw, std::int64_t* out) {
  *out = ssugraph::detail::draw_seed(0, draw);
}

// --- Launches

int device_attribute(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&value, attribute, device), "cudaDeviceGetAttribute");
  return value;
}

template <class... Parameters>
const void* address_of(void (*kernel)(Parameters...)) {
  return reinterpret_cast<const void*>(kernel);
}

template <int Vectors>
unsigned pieces_of(const floor_job& job) {
  constexpr std::int64_t piece = std::int64_t{sizeof(uint4)} * floor_threads * Vectors;
  return static_cast<unsigned>((job.state_bytes + job.scale_bytes + piece - 1) / piece);
}

/** The most vectors a thread that leave every multiprocessor two blocks. */
template <int Vectors>
kernel_launch floor_of(const floor_job& job, std::int32_t sequences) {
  const unsigned pieces = pieces_of<Vectors>(job);
  const auto rows = static_cast<unsigned>(sequences);
  if constexpr (Vectors > 1) {
    if (pieces * rows < 2 * stand_in_blocks()) return floor_of<Vectors / 2>(job, sequences);
  }
  return {address_of(floor_kernel<Vectors>), dim3{pieces, rows}, dim3{floor_threads}, job};
}

}  // namespace

void fill_random(ssugraph::dtype type, void* data, std::size_t count, noise values) {
  switch (type) {
    case ssugraph::dtype::float16:
      return fill<__half>(data, count, values);
    case ssugraph::dtype::bfloat16:
      return fill<__nv_bfloat16>(data, count, values);
    case ssugraph::dtype::float32:
      return fill<float>(data, count, values);
    case ssugraph::dtype::int8:
      return fill<std::int8_t>(data, count, values);
    case ssugraph::dtype::int16:
      return fill<std::int16_t>(data, count, values);
    case ssugraph::dtype::float8_e4m3:
      return fill<__nv_fp8_e4m3>(data, count, values);
    case ssugraph::dtype::int32:
    case ssugraph::dtype::int64:
      break;
  }
  throw std::invalid_argument{"no random data of " + std::string{to_string(type)}};
}

void place_cursors(const ssugraph::ring_cursor* rows, const std::int32_t* slots, std::int32_t count,
                   ssugraph::ring_cursor* cursors, cudaStream_t stream) {
  thrust::scatter(thrust::cuda::par_nosync.on(stream), rows, rows + count, slots, cursors);
}

kernel_launch floor_launch(const floor_job& job, std::int32_t sequences) {
  return floor_of<8>(job, sequences);
}

bool floor_can_be_programmatic() {
  return ssugraph::detail::load_kernel(address_of(floor_kernel<8>));
}

unsigned stand_in_blocks() {
  return static_cast<unsigned>(device_attribute(cudaDevAttrMultiProcessorCount));
}

kernel_launch stand_in_launch(double microseconds, float* out, bool triggers_early) {
  const double cycles_a_us = 1e-3 * device_attribute(cudaDevAttrClockRate);
  return {address_of(stand_in_kernel),
          dim3{stand_in_blocks()},
          dim3{stand_in_threads},
          static_cast<std::int64_t>(microseconds * cycles_a_us),
          out,
          triggers_early};
}

kernel_launch seed_launch(std::uint64_t draw, std::int64_t* out) {
  return {address_of(seed_kernel), dim3{1}, dim3{1}, draw, out};
}

}  // namespace bench
