#include "lib/core/allocation.hpp"

#include "lib/core/device.hpp"
#include "lib/core/driver.hpp"
#include "lib/core/overlap.hpp"
#include "lib/core/reach.hpp"

#include <ssugraph/error.hpp>

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace ssugraph::detail {
namespace {

CUdeviceptr driver_address(const void* address) {
  return static_cast<CUdeviceptr>(reinterpret_cast<std::uintptr_t>(address));
}

/** False where the driver does not know the address. */
template <class Value>
bool get_attribute(Value& value, CUpointer_attribute attribute, const void* address) {
  static const auto get = driver_function<PFN_cuPointerGetAttribute_v4000>("cuPointerGetAttribute");
  return get(&value, attribute, driver_address(address)) == CUDA_SUCCESS;
}

/** Reserved addresses need not have memory behind them. */
bool is_mapped(const void* address) {
  unsigned mapped = 0;
  return get_attribute(mapped, CU_POINTER_ATTRIBUTE_MAPPED, address) && mapped != 0;
}

/** The first byte behind the allocation of `address`, or behind the reserved addresses that it was
 *  mapped into piece by piece. 0: CUDA knows of none. */
std::uintptr_t end_of_allocation(const void* address) {
  CUdeviceptr begin = 0;
  std::size_t bytes = 0;
  if (!get_attribute(begin, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, address) ||
      !get_attribute(bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, address)) {
    return 0;
  }
  return static_cast<std::uintptr_t>(begin) + bytes;
}

/** The first byte behind the piece of memory at `address`, which is mapped: all of an allocation,
 *  or what was mapped at once into reserved addresses. */
const void* end_of_piece(const void* address) {
  static const auto get_range =
      driver_function<PFN_cuMemGetAddressRange_v3020>("cuMemGetAddressRange");
  constexpr CUdeviceptr least = 2 << 20;  // that CUDA maps
  const CUdeviceptr at = driver_address(address);
  CUdeviceptr begin = 0;
  std::size_t bytes = 0;
  const bool known = get_range(&begin, &bytes, at) == CUDA_SUCCESS && begin + bytes > at;
  const CUdeviceptr end = known ? begin + bytes : (at / least + 1) * least;
  return reinterpret_cast<const void*>(static_cast<std::uintptr_t>(end));
}

/** What is wrong with where `tensor` lies; empty: nothing. */
std::string fault_of(const tensor_view& tensor, device home) {
  const byte_range reach = reach_of(tensor);
  const auto* const first = static_cast<const std::byte*>(reach.data);
  for (const std::byte* at = first; at != nullptr; at = next_byte_of(tensor, end_of_piece(at))) {
    const device where = device_of(at);
    if (where == home && is_mapped(at)) continue;
    return "byte " + std::to_string(at - first) + " of " + std::to_string(reach.bytes) + " in " +
           (where == home ? "" : describe_memory(where) + " or in ") + "none";
  }
  const std::uintptr_t end = end_of_allocation(first);
  const auto behind = reinterpret_cast<std::uintptr_t>(first) + reach.bytes;
  if (behind <= end) return {};
  return std::to_string(behind - end) + " bytes past the end of its allocation";
}

}  // namespace

void check_allocation(const std::string& name, const tensor_view& tensor, device home) {
  const std::string fault = fault_of(tensor, home);
  if (fault.empty()) return;
  throw invalid_argument{name, "one live allocation in " + describe_memory(home), fault};
}

}  // namespace ssugraph::detail
