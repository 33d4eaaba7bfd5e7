#pragma once

#include <array>
#include <string_view>

/** Which backend `automatic` takes unmeasured, and what chose it. */
namespace ssugraph::detail {

/**
 * The backends in order of preference; those that do not serve a problem are passed over.
 *
 * H100, CUDA 13.0, `bench` of 16 layers, us a layer at batch 1 / 8 / 64 / 256:
 *
 *     128x64x128 g8 bf16                 triton 3.3 / 14.6 / 99 / 391   native 4.1 / 18.2 / 122 /
 * 481 flashinfer 6.6 / 15.8 / 102 / 393 128x64x128 g8 fp16, Philox-10      triton 4.7 / 23.3 / 157
 * / 613  native 5.3 / 25.8 / 189 / 751 64x64x128 g8 fp32                  triton 3.6 / 14.9 / 98 /
 * 389   native 4.1 / 15.2 / 99 / 390
 */
inline constexpr std::array<std::string_view, 4> preferred_backends{"triton", "native",
                                                                    "flashinfer", "reference"};

}  // namespace ssugraph::detail
