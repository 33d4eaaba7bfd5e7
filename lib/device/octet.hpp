#pragma once

#include "lib/device/io_width.hpp"

#include <cstdint>

namespace ssugraph::detail {

/** Elements of dstate a thread holds of a row: one Philox draw serves them. */
inline constexpr int octet_size = 8;

/** Words that eight elements take, as they lie in memory. */
template <class T>
inline constexpr int words_of_octet = octet_size * sizeof(T) / sizeof(std::uint32_t);

/** Those of eight elements whose width is one of these. */
template <io_width Width>
using io_words = std::uint32_t[Width == io_width::narrow ? octet_size / 2 : octet_size];

}  // namespace ssugraph::detail
