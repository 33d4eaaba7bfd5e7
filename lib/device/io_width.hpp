#pragma once

#include <cstdint>

namespace ssugraph::detail {

/** Of the elements of several tensors: all of 16 bits, fp16 and bf16 as each has it; all fp32; or
 *  each as its dtype says when the kernel runs. */
enum class io_width : std::uint8_t { narrow, wide, any };

}  // namespace ssugraph::detail
