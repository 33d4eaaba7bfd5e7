#include "lib/backends/native/find_kernel.cuh"

const void* ssugraph::detail::bfloat16_state_kernel(const kernel_key& key) {
  return find_kernel<__nv_bfloat16, false>(key);
}
