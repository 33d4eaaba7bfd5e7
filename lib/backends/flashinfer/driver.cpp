#include "lib/backends/flashinfer/driver.hpp"

#include "lib/core/cuda_check.hpp"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

namespace ssugraph::detail {
namespace {

template <class Function>
Function entry_point(const char* name) {
  constexpr unsigned first_version = 12000;
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check_cuda(
      cudaGetDriverEntryPointByVersion(name, &function, first_version, cudaEnableDefault, &found),
      "cudaGetDriverEntryPointByVersion");
  if (found != cudaDriverEntryPointSuccess) {
    check_cuda(cudaErrorCallRequiresNewerDriver, name);
  }
  return reinterpret_cast<Function>(function);
}

}  // namespace

CUresult encode_tensor_map(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank,
                           void* address, const cuuint64_t* extents, const cuuint64_t* strides,
                           const cuuint32_t* box, const cuuint32_t* element_strides,
                           CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                           CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  static const auto encode =
      entry_point<PFN_cuTensorMapEncodeTiled_v12000>("cuTensorMapEncodeTiled");
  return encode(map, type, rank, address, extents, strides, box, element_strides, interleave,
                swizzle, promotion, fill);
}

CUresult driver_error_string(CUresult error, const char** text) {
  static const auto describe = entry_point<PFN_cuGetErrorString_v6000>("cuGetErrorString");
  return describe(error, text);
}

}  // namespace ssugraph::detail
