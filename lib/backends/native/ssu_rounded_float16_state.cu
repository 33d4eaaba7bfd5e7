#include "lib/backends/native/ssu_kernel.cuh"

const void* ssugraph::detail::rounded_float16_state_kernel(const kernel_key& key) {
  return find_kernel<__half, true>(key);
}
