#pragma once

#include <array>
#include <string_view>

/** Which backend `automatic` takes unmeasured, and what chose it. */
namespace ssugraph::detail {

/**
 * The backends in order of preference; those that do not serve a problem are passed over.
 *
 * H100, CUDA 13.0, `bench` of 20 layers of 128x64x128 g8, us a layer at batch 1 / 8 / 64 / 256:
 *
 *                      native                  triton                  flashinfer
 *     bf16             2.4 / 12.7 / 93 / 368   3.3 / 14.7 / 100 / 390  6.7 / 16.1 / 102 / 390
 *     fp16, Philox-10  2.5 / 13.6 / 93 / 366   4.6 / 23.2 / 156 / 613  8.5 / 29.9 / 168 / 636
 *     fp32             3.6 / 23.7 / 182 / 726  5.5 / 26.9 / 196 / 772  8.1 / 28.9 / 194 / 765
 */
inline constexpr std::array<std::string_view, 4> preferred_backends{"native", "triton",
                                                                    "flashinfer", "reference"};

}  // namespace ssugraph::detail
