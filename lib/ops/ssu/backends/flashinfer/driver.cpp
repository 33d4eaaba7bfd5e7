#include "lib/ops/ssu/backends/flashinfer/driver.hpp"

#include "lib/core/driver.hpp"

namespace ssugraph::detail::flashinfer {

CUresult encode_tensor_map(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank,
                           void* address, const cuuint64_t* extents, const cuuint64_t* strides,
                           const cuuint32_t* box, const cuuint32_t* element_strides,
                           CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                           CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  static const auto encode =
      driver_function<PFN_cuTensorMapEncodeTiled_v12000>("cuTensorMapEncodeTiled");
  return encode(map, type, rank, address, extents, strides, box, element_strides, interleave,
                swizzle, promotion, fill);
}

CUresult driver_error_string(CUresult error, const char** text) {
  static const auto describe = driver_function<PFN_cuGetErrorString_v6000>("cuGetErrorString");
  return describe(error, text);
}

}  // namespace ssugraph::detail::flashinfer
