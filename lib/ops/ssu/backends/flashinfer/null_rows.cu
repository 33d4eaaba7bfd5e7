#include "lib/core/kernel_launch.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/ops/ssu/backends/flashinfer/null_rows.hpp"
#include "lib/step/sequence.hpp"

#include <cstdint>

namespace ssugraph::detail::flashinfer {
namespace {

constexpr int block_threads = 128;

struct null_rows_params {
  sequence_rule rule;
  uint4* out;
  std::int64_t row_stride;  ///< of out, in 16-byte words
  std::int64_t row_words;
};

/** A block a sequence. */
__global__ void __launch_bounds__(block_threads)
    null_rows_kernel(const __grid_constant__ null_rows_params p) {
  wait_for_predecessor();
  const std::int64_t sequence = blockIdx.x;
  if (source_slot(p.rule, sequence) != no_slot) return;
  const row_range rows = rows_of(p.rule, sequence);
  for (std::int64_t row = rows.begin; row < rows.begin + rows.length; ++row) {
    for (std::int64_t word = threadIdx.x; word < p.row_words; word += block_threads)
      p.out[row * p.row_stride + word] = uint4{};
  }
}

__global__ void seed_kernel(std::int64_t* address, std::int64_t seed) {
  wait_for_predecessor();
  *address = seed;
}

const void* const null_rows = reinterpret_cast<const void*>(&null_rows_kernel);

}  // namespace

void enqueue_null_rows(const sequence_rule& rule, std::int64_t sequences, const tensor_view& out,
                       stream_handle stream) {
  const std::int64_t rows = out.extent(0);
  if (rule.indices.data == nullptr || rows == 0) return;
  const std::int64_t elements_per_word =
      static_cast<std::int64_t>(sizeof(uint4)) / size_of(out.dtype());
  const null_rows_params params{
      .rule = rule,
      .out = static_cast<uint4*>(out.data()),
      .row_stride = rows > 1 ? out.stride(0) / elements_per_word : 0,
      .row_words = out.extent(1) * out.extent(2) / elements_per_word,
  };
  const dim3 grid{static_cast<unsigned>(sequences)};
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

}  // namespace ssugraph::detail::flashinfer
