#pragma once

#include "lib/core/host_device.hpp"
#include "lib/device/io_width.hpp"

#include <cstdint>

namespace ssugraph::detail {

/** Elements of dstate that one Philox draw serves. A thread holds one octet of a row, or two. */
inline constexpr int octet_size = 8;

/** One of the octets of `all`. */
template <class T, int Size>
SSUGRAPH_HOST_DEVICE constexpr T (&octet_of(T (&all)[Size], int octet))[octet_size] {
  static_assert(Size % octet_size == 0, "all are whole octets");
  return *reinterpret_cast<T(*)[octet_size]>(all + octet * octet_size);
}

/** Words that eight elements take, as they lie in memory. */
template <class T>
inline constexpr int words_of_octet = octet_size * sizeof(T) / sizeof(std::uint32_t);

/** Those of some octets of elements whose width is one of these. */
template <io_width Width, int Octets = 1>
using io_words = std::uint32_t[Octets * (Width == io_width::narrow ? octet_size / 2 : octet_size)];

}  // namespace ssugraph::detail
