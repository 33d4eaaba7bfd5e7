#include "lib/backends/native/find_kernel.cuh"

const void* ssugraph::detail::float32_state_kernel(const kernel_key& key) {
  return find_kernel<float, false>(key);
}
