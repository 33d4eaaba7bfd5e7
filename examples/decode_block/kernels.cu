#include "kernels.hpp"
#include "models.hpp"

#include <cub/block/block_reduce.cuh>
#include <cuda_runtime.h>

namespace decode_block {
namespace {

constexpr int vector_width = 8;

// --- Vectors of eight. No const __restrict__: what a graph writes must not be read through the
// --- read-only cache.

__device__ uint4 load_bits(const bf16* from) {
  return *reinterpret_cast<const uint4*>(from);
}

__device__ void store_bits(bf16* to, const uint4& bits) {
  __stwb(reinterpret_cast<uint4*>(to), bits);  // The compiler would split an assignment.
}

/** A bf16 is the upper half of an fp32. */
__device__ void widen(float (&to)[vector_width], const uint4& bits) {
  const unsigned words[] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = __uint_as_float(words[i] << 16);
    to[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
}

__device__ void load(float (&to)[vector_width], const bf16* from) {
  widen(to, load_bits(from));
}

__device__ unsigned narrow(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const unsigned&>(pair);
}

__device__ void store(bf16* to, const float (&from)[vector_width]) {
  store_bits(to, {narrow(from[0], from[1]), narrow(from[2], from[3]), narrow(from[4], from[5]),
                  narrow(from[6], from[7])});
}

__device__ float silu(float value) {
  return value / (1.0f + expf(-value));
}

// --- Programmatic dependent launch

__device__ void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

__device__ void trigger_successor() {
#if __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

// --- Kernels

/** Grid: rows, pieces of a row. */
__global__ void embedding_kernel(embedding job) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t column = vector_width * (std::int64_t{blockIdx.y} * blockDim.x + threadIdx.x);
  if (column >= job.width) return;
  uint4 bits{};
  if (row < *job.live) bits = load_bits(job.table + job.tokens[row] * job.width + column);
  store_bits(job.out + row * job.width + column, bits);
}

/** Grid: rows, groups. A thread holds eight elements; those past the group hold zeros. */
template <unsigned Threads>
__global__ void __launch_bounds__(Threads) rms_norm_kernel(rms_norm job) {
  using block_reduce = cub::BlockReduce<float, Threads>;
  __shared__ typename block_reduce::TempStorage storage;
  __shared__ float scale;

  const std::int64_t group_width = job.width / job.groups;
  const std::int64_t in_group = vector_width * std::int64_t{threadIdx.x};
  const bool has_elements = in_group < group_width;
  const std::int64_t row = blockIdx.x;
  const std::int64_t column = blockIdx.y * group_width + in_group;

  float weight[vector_width]{};
  float value[vector_width]{};
  if (has_elements) load(weight, job.weight + column);
  wait_for_predecessor();
  if (has_elements) {
    load(value, job.in + row * job.in_stride + column);
    if (job.gate != nullptr) {
      float gate[vector_width];
      load(gate, job.gate + row * job.gate_stride + column);
#pragma unroll
      for (int i = 0; i < vector_width; ++i)
        value[i] *= silu(gate[i]);
    }
  }
  float squares = 0.0f;
#pragma unroll
  for (int i = 0; i < vector_width; ++i)
    squares += value[i] * value[i];
  const float sum = block_reduce{storage}.Sum(squares);
  if (threadIdx.x == 0) scale = rsqrtf(sum / static_cast<float>(group_width) + norm_epsilon);
  __syncthreads();
  if (!has_elements) return;
#pragma unroll
  for (int i = 0; i < vector_width; ++i)
    value[i] *= scale * weight[i];
  store(job.out + row * job.width + column, value);
}

/** Adds one tap. */
__device__ void add_tap(float (&sum)[vector_width], const uint4& input, const bf16* tap_weight) {
  float value[vector_width];
  float weight[vector_width];
  widen(value, input);
  load(weight, tap_weight);
#pragma unroll
  for (int i = 0; i < vector_width; ++i)
    sum[i] += value[i] * weight[i];
}

/** Grid: rows, pieces of a row. A thread owns eight channels of a sequence. */
__global__ void conv_update_kernel(conv_update job) {
  constexpr int old_taps = conv_width - 1;
  const std::int64_t row = blockIdx.x;
  const std::int64_t channel = vector_width * (std::int64_t{blockIdx.y} * blockDim.x + threadIdx.x);
  const std::int64_t slot = job.slots[row * job.slot_stride];
  const bool live = channel < job.channels && slot != job.null_slot;
  bf16* state = job.state + slot * old_taps * job.channels + channel;
  const bf16* weight = job.weight + channel;

  // All but the new input: the kernel in front, a GEMM, writes neither slots nor state.
  uint4 window[old_taps]{};
  float sum[vector_width]{};
  if (live) {
#pragma unroll
    for (int tap = 0; tap < old_taps; ++tap)
      window[tap] = load_bits(state + tap * job.channels);
    load(sum, job.bias + channel);
#pragma unroll
    for (int tap = 0; tap < old_taps; ++tap)
      add_tap(sum, window[tap], weight + tap * job.channels);
  }
  wait_for_predecessor();
  trigger_successor();
  if (!live) return;

  const uint4 newest = load_bits(job.in + row * job.in_stride + channel);
  add_tap(sum, newest, weight + old_taps * job.channels);
#pragma unroll
  for (int i = 0; i < vector_width; ++i)
    sum[i] = silu(sum[i]);
  store(job.out + row * job.channels + channel, sum);
#pragma unroll
  for (int tap = 0; tap < old_taps; ++tap)
    store_bits(state + tap * job.channels, tap + 1 < old_taps ? window[tap + 1] : newest);
}

// --- Launches

template <class Job>
void launch(void (*kernel)(Job), const char* name, const Job& job, dim3 grid, unsigned threads,
            bool programmatic, cudaStream_t stream) {
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = threads;
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = programmatic ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, job), name);
}

/** A block for every `threads` vectors of every row. */
dim3 grid_of(std::int64_t rows, std::int64_t width, unsigned threads) {
  const unsigned per_block = threads * vector_width;
  return {static_cast<unsigned>(rows), (static_cast<unsigned>(width) + per_block - 1) / per_block};
}

constexpr unsigned row_threads = 128;
constexpr unsigned least_norm_threads = 32;
constexpr unsigned most_norm_threads = 1024;

/** By the smallest block that holds a group. */
template <unsigned Threads = least_norm_threads>
void launch_norm(const rms_norm& job, std::int64_t rows, bool programmatic, cudaStream_t stream) {
  if constexpr (Threads < most_norm_threads) {
    if (job.width / job.groups > Threads * vector_width)
      return launch_norm<2 * Threads>(job, rows, programmatic, stream);
  }
  launch(rms_norm_kernel<Threads>, "rms_norm_kernel", job,
         {static_cast<unsigned>(rows), static_cast<unsigned>(job.groups)}, Threads, programmatic,
         stream);
}

}  // namespace

void enqueue(const embedding& job, std::int64_t rows, cudaStream_t stream) {
  launch(embedding_kernel, "embedding_kernel", job, grid_of(rows, job.width, row_threads),
         row_threads, false, stream);
}

void enqueue(const rms_norm& job, std::int64_t rows, bool programmatic, cudaStream_t stream) {
  launch_norm(job, rows, programmatic, stream);
}

void enqueue(const conv_update& job, std::int64_t rows, bool programmatic, cudaStream_t stream) {
  launch(conv_update_kernel, "conv_update_kernel", job, grid_of(rows, job.channels, row_threads),
         row_threads, programmatic, stream);
}

bool can_be_programmatic() {
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, conv_update_kernel), "cudaFuncGetAttributes");
  return attributes.ptxVersion >= 90;
}

}  // namespace decode_block
