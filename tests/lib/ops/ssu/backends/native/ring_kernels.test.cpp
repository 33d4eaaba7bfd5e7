#include "lib/ops/ssu/backends/native/ring_kernels.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

/** What the compiler made of the kernels of checkpointed states. */
namespace ssugraph::test {
namespace {

namespace native = ssugraph::detail::native;
using native::state_access;

struct ring_kernel {
  std::string name;
  const void* function;
};

template <dtype State, bool Rounding>
void append_kernels(std::vector<ring_kernel>& kernels) {
  for (const state_access access :
       {state_access::along_dstate, state_access::along_dim, state_access::by_element}) {
    for (const int lanes : {2, 4, 8, 16, 32}) {
      for (const int rows : {2, 4, 8}) {
        if (!native::is_ring_compiled(lanes, rows, access)) continue;
        kernels.push_back({(Rounding ? "rounded " : "") + std::string{to_string(State)} + ", " +
                               std::to_string(lanes) + " lanes, " + std::to_string(rows) + " rows",
                           native::find_ring_kernel<State, Rounding>(lanes, rows, access)});
      }
    }
  }
}

std::vector<ring_kernel> all_kernels() {
  std::vector<ring_kernel> kernels;
  append_kernels<dtype::float32, false>(kernels);
  append_kernels<dtype::float16, false>(kernels);
  append_kernels<dtype::bfloat16, false>(kernels);
  append_kernels<dtype::int16, false>(kernels);
  append_kernels<dtype::int8, false>(kernels);
  append_kernels<dtype::float8_e4m3, false>(kernels);
  append_kernels<dtype::float16, true>(kernels);
  append_kernels<dtype::bfloat16, true>(kernels);
  append_kernels<dtype::int16, true>(kernels);
  append_kernels<dtype::int8, true>(kernels);
  append_kernels<dtype::float8_e4m3, true>(kernels);
  return kernels;
}

/** A few words that wait for their use. */
constexpr std::size_t bytes_allowed = 32;

TEST(ring_kernels, are_all_there) {
  const std::vector<ring_kernel> kernels = all_kernels();
  std::set<const void*> functions;
  for (const ring_kernel& each : kernels) {
    EXPECT_NE(each.function, nullptr) << each.name;
    functions.insert(each.function);
  }
  EXPECT_EQ(kernels.size(), 11u * 9u);
  EXPECT_EQ(functions.size(), kernels.size());
}

TEST(ring_kernels, hold_nearly_all_in_registers) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  for (const ring_kernel& each : all_kernels()) {
    cudaFuncAttributes attributes{};
    ASSERT_EQ(cudaFuncGetAttributes(&attributes, each.function), cudaSuccess) << each.name;
    if (attributes.binaryVersion != 90) GTEST_SKIP() << "known of sm_90 alone";
    EXPECT_LE(attributes.numRegs, 128) << each.name << ": four blocks fit on a multiprocessor";
    EXPECT_LE(attributes.localSizeBytes, bytes_allowed) << each.name;
  }
}

}  // namespace
}  // namespace ssugraph::test
