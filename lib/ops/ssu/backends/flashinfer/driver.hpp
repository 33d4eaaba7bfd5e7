#pragma once

#include <cuda.h>

/**
 * The two driver calls that FlashInfer's headers make, found when they are first needed: the
 * library links, and loads, without a driver.
 */
namespace ssugraph::detail::flashinfer {

/** cuTensorMapEncodeTiled. Throws cuda_error where the driver lacks it. */
CUresult encode_tensor_map(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank,
                           void* address, const cuuint64_t* extents, const cuuint64_t* strides,
                           const cuuint32_t* box, const cuuint32_t* element_strides,
                           CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                           CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill);

/** cuGetErrorString. Throws as above. */
CUresult driver_error_string(CUresult error, const char** text);

}  // namespace ssugraph::detail::flashinfer
