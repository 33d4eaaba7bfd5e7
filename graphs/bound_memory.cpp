#include "graphs/bound_memory.hpp"

#include "lib/core/cuda_check.hpp"
#include "lib/core/device.hpp"
#include "lib/core/overlap.hpp"

#include <ssugraph/error.hpp>

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace ssugraph::detail {
namespace {

using get_attribute = PFN_cuPointerGetAttribute_v4000;

get_attribute find_get_attribute() {
  constexpr unsigned first_version = 12000;
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check_cuda(cudaGetDriverEntryPointByVersion("cuPointerGetAttribute", &function, first_version,
                                              cudaEnableDefault, &found),
             "cudaGetDriverEntryPointByVersion");
  if (found != cudaDriverEntryPointSuccess)
    check_cuda(cudaErrorCallRequiresNewerDriver, "cuPointerGetAttribute");
  return reinterpret_cast<get_attribute>(function);
}

/** The first byte behind the allocation of `address`, or behind the reserved addresses that it was
 *  mapped into piece by piece. 0: CUDA knows of none. */
std::uintptr_t end_of_allocation(const void* address) {
  static const get_attribute get = find_get_attribute();
  const auto at = static_cast<CUdeviceptr>(reinterpret_cast<std::uintptr_t>(address));
  CUdeviceptr begin = 0;
  std::size_t bytes = 0;
  if (get(&begin, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, at) != CUDA_SUCCESS ||
      get(&bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, at) != CUDA_SUCCESS) {
    return 0;
  }
  return static_cast<std::uintptr_t>(begin) + bytes;
}

/** What is wrong with where `reach` lies; empty: nothing. */
std::string fault_of(const byte_range& reach, device home) {
  const auto* const first = static_cast<const std::byte*>(reach.data);
  const std::byte* const last = first + reach.bytes - 1;
  for (const std::byte* end : {first, last}) {
    if (device_of(end) == home) continue;
    return "its " + std::string{end == first ? "first" : "last"} + " byte in " +
           describe_memory(device_of(end)) + " or in none";
  }
  const std::uintptr_t end = end_of_allocation(first);
  const auto behind = reinterpret_cast<std::uintptr_t>(last) + 1;
  if (behind <= end) return {};
  return std::to_string(behind - end) + " bytes past the end of its allocation";
}

}  // namespace

void check_allocations(const pipeline_core& core, const bound_steps& steps) {
  for (std::size_t step = 0; step < steps.size(); ++step) {
    if (!steps[step]) continue;
    const step_traits& traits = steps[step]->traits();
    for (std::size_t i = 0; i < traits.operands.size(); ++i) {
      const tensor_view& tensor = traits.tensors[i];
      if (!tensor || tensor.size() == 0) continue;
      const std::string fault = fault_of(reach_of(tensor), core.device);
      if (fault.empty()) continue;
      throw invalid_argument{core.steps[step].name + "." + std::string{traits.operands[i].name},
                             "one live allocation in " + describe_memory(core.device), fault};
    }
  }
}

}  // namespace ssugraph::detail
