#include "profiling/bench_data.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <thrust/device_ptr.h>
#include <thrust/tabulate.h>

namespace bench {
namespace {

/** The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), as a float. */
template <class Float>
struct random_value {
  noise values;

  __device__ Float operator()(std::size_t i) const {
    std::uint64_t bits = values.salt * 0x9e3779b97f4a7c15 + i;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    const float unit = static_cast<float>(bits >> 40) / 8388608.0f - 1.0f;
    return static_cast<Float>(values.shift + values.scale * unit);
  }
};

template <class Float>
void fill(void* data, std::size_t count, noise values) {
  const auto begin = thrust::device_pointer_cast(static_cast<Float*>(data));
  thrust::tabulate(begin, begin + static_cast<std::ptrdiff_t>(count), random_value<Float>{values});
}

}  // namespace

void fill_random(ssugraph::dtype type, void* data, std::size_t count, noise values) {
  switch (type) {
    case ssugraph::dtype::float16:
      return fill<__half>(data, count, values);
    case ssugraph::dtype::bfloat16:
      return fill<__nv_bfloat16>(data, count, values);
    default:
      return fill<float>(data, count, values);
  }
}

}  // namespace bench
