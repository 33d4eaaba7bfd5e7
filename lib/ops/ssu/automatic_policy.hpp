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
 *     bf16             3.3 / 13.3 / 93 / 367   3.3 / 14.7 / 100 / 390  6.7 / 16.2 / 101 / 390
 *     fp16, Philox-10  3.8 / 15.9 / 107 / 427  4.6 / 23.3 / 157 / 614  8.6 / 30.0 / 168 / 637
 *     fp32             4.4 / 24.3 / 183 / 727  5.4 / 26.9 / 196 / 772  8.1 / 28.8 / 194 / 765
 */
inline constexpr std::array<std::string_view, 4> preferred_backends{"native", "triton",
                                                                    "flashinfer", "reference"};

}  // namespace ssugraph::detail
