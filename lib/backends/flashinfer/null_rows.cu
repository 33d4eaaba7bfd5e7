#include "lib/backends/flashinfer/null_rows.hpp"
#include "lib/core/kernel_launch.hpp"

#include <algorithm>
#include <cstdint>

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 128;

/** An index or count tensor; absent if `data` is null. */
struct integers {
  const void* data;
  std::int64_t stride[2];
  bool wide;  ///< int64, else int32
};

struct null_rows_params {
  integers indices, accepted, cu_seqlens;
  uint4* out;
  std::int64_t row_stride;  ///< of out, in 16-byte words
  std::int64_t row_words;
  std::int64_t rows;
  std::int64_t slots;
  std::int64_t null_block_id;
  std::int64_t max_seqlen;
};

__device__ std::int64_t read(const integers& tensor, std::int64_t i, std::int64_t j = 0) {
  const std::int64_t at = i * tensor.stride[0] + j * tensor.stride[1];
  return tensor.wide ? static_cast<const std::int64_t*>(tensor.data)[at]
                     : static_cast<const std::int32_t*>(tensor.data)[at];
}

__device__ bool is_null(const null_rows_params& p, std::int64_t sequence) {
  std::int64_t column = 0;
  if (p.accepted.data != nullptr) {
    column = min(max(read(p.accepted, sequence) - 1, std::int64_t{0}), p.max_seqlen - 1);
  }
  const std::int64_t slot = read(p.indices, sequence, column);
  return slot == p.null_block_id || slot < 0 || slot >= p.slots;
}

/** A block a sequence. */
__global__ void __launch_bounds__(block_threads)
    null_rows_kernel(const __grid_constant__ null_rows_params p) {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
  const std::int64_t sequence = blockIdx.x;
  if (!is_null(p, sequence)) return;
  std::int64_t first = sequence;
  std::int64_t count = 1;
  if (p.cu_seqlens.data != nullptr) {
    first = max(read(p.cu_seqlens, sequence), std::int64_t{0});
    count = min(read(p.cu_seqlens, sequence + 1) - first, p.max_seqlen);
  }
  const std::int64_t end = min(first + count, p.rows);
  for (std::int64_t row = first; row < end; ++row) {
    for (std::int64_t word = threadIdx.x; word < p.row_words; word += block_threads)
      p.out[row * p.row_stride + word] = uint4{};
  }
}

__global__ void seed_kernel(std::int64_t* address, std::int64_t seed) {
  *address = seed;
}

const void* const null_rows = reinterpret_cast<const void*>(&null_rows_kernel);

integers lowered(const tensor_view& tensor) {
  integers result{.data = tensor.data(), .stride = {}, .wide = tensor.dtype() == dtype::int64};
  std::ranges::copy(tensor.strides(), result.stride);
  return result;
}

}  // namespace

void enqueue_null_rows(const ssu_problem& problem, const ssu_args& args, stream_handle stream) {
  const std::int64_t rows = args.out.extent(0);
  if (!args.state_batch_indices || rows == 0) return;
  const std::int64_t elements_per_word =
      static_cast<std::int64_t>(sizeof(uint4)) / size_of(problem.io_dtype);
  const null_rows_params params{
      .indices = lowered(args.state_batch_indices),
      .accepted = lowered(args.num_accepted_tokens),
      .cu_seqlens = lowered(args.cu_seqlens),
      .out = static_cast<uint4*>(args.out.data()),
      .row_stride = rows > 1 ? args.out.stride(0) / elements_per_word : 0,
      .row_words = problem.nheads * problem.dim / elements_per_word,
      .rows = rows,
      .slots = args.state.extent(0),
      .null_block_id = args.null_block_id,
      .max_seqlen = problem.max_seqlen,
  };
  const dim3 grid{static_cast<unsigned>(args.state_batch_indices.extent(0))};
  kernel_launch launch{null_rows, grid, dim3{block_threads}, params};
  // The build compiles this for 9.0 and later only, and so with the wait.
  launch.set_programmatic(true);
  launch.launch(stream);
}

void enqueue_seed(std::int64_t* address, std::int64_t seed, stream_handle stream) {
  kernel_launch{reinterpret_cast<const void*>(&seed_kernel), dim3{1}, dim3{1}, address, seed}
      .launch(stream);
}

void load_null_rows() {
  load_kernel(null_rows);
}

}  // namespace ssugraph::detail
