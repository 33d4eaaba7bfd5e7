#pragma once

#include "lib/device/io_width.hpp"

#include <ssugraph/tensor_view.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

/** One element of a tensor, as it lies in memory, whose dtype is known at run time. */
namespace ssugraph::detail {

__device__ inline float half_to_float(std::uint32_t bits) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
}

/** A 16-bit float of a format known at run time. */
__device__ inline float narrow_value(std::uint32_t bits, dtype type) {
  return type == dtype::float16 ? half_to_float(bits) : __uint_as_float(bits << 16);
}

/** A value of any dtype, as it lies in memory: 16 bits in the low half-word. */
struct raw_scalar {
  std::uint32_t bits;

  __device__ float value(dtype type) const {
    return type == dtype::float32 ? __uint_as_float(bits) : narrow_value(bits, type);
  }
};

/** By one of two predicated loads: a branch, or a choice between what came, would wait for it. */
__device__ inline raw_scalar load_scalar(const std::byte* at, dtype type) {
  raw_scalar scalar;
  asm volatile(
      "{ .reg .pred wide; setp.ne.u32 wide, %2, 0;"
      " @wide ld.global.b32 %0, [%1]; @!wide ld.global.u16 %0, [%1]; }"
      : "=r"(scalar.bits)
      : "l"(at), "r"(type == dtype::float32 ? 1 : 0)
      : "memory");
  return scalar;
}

/** Stores what load_scalar read of a tensor of that dtype. */
__device__ inline void store_scalar(std::byte* at, dtype type, raw_scalar scalar) {
  if (type == dtype::float32) {
    *reinterpret_cast<std::uint32_t*>(at) = scalar.bits;
  } else {
    *reinterpret_cast<std::uint16_t*>(at) = static_cast<std::uint16_t>(scalar.bits);
  }
}

/** `value` to 16 bits of a format known at run time. */
__device__ inline void store_narrow(std::byte* at, dtype type, float value) {
  const std::uint16_t half = __half_as_ushort(__float2half_rn(value));
  const std::uint16_t brain = __bfloat16_as_ushort(__float2bfloat16_rn(value));
  *reinterpret_cast<std::uint16_t*>(at) = type == dtype::float16 ? half : brain;
}

/** A value of x, z or out, by the width of its elements. */
template <io_width Width>
struct io_scalar {
  using word = std::conditional_t<Width == io_width::narrow, std::uint16_t, std::uint32_t>;
  word bits;

  __device__ float value(dtype type) const {
    if constexpr (Width == io_width::narrow) return narrow_value(bits, type);
    if constexpr (Width == io_width::wide) return __uint_as_float(bits);
    return raw_scalar{bits}.value(type);
  }

  __device__ static io_scalar load(const std::byte* at, dtype type) {
    if constexpr (Width == io_width::any) return {load_scalar(at, type).bits};
    return {*reinterpret_cast<const word*>(at)};
  }

  __device__ static void store(std::byte* at, dtype type, float value) {
    if (Width == io_width::wide || (Width == io_width::any && type == dtype::float32)) {
      *reinterpret_cast<float*>(at) = value;
    } else {
      store_narrow(at, type, value);
    }
  }
};

}  // namespace ssugraph::detail
