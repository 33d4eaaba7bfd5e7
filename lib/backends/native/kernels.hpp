#pragma once

#include <ssugraph/tensor_view.hpp>

namespace ssugraph::detail {

/** What a kernel is compiled for, beside the dtype of the state and whether it rounds. */
struct kernel_key {
  dtype io;
  int lanes;    ///< threads a row: 2, 4, 8, 16 or 32; scalar access: 32
  bool vector;  ///< 16-byte accesses
  bool tied;
  bool one_token;  ///< a sequence, always
};

/** The kernels by state dtype and rounding: each finds the one for `key`, a `void(ssu_params)`. */
const void* float32_state_kernel(const kernel_key& key);
const void* float16_state_kernel(const kernel_key& key);
const void* bfloat16_state_kernel(const kernel_key& key);
const void* rounded_float16_state_kernel(const kernel_key& key);
const void* rounded_bfloat16_state_kernel(const kernel_key& key);

}  // namespace ssugraph::detail
