#pragma once

#include <cstdint>

namespace ssugraph::detail {

/** Elements of dstate a thread holds of a row: one Philox draw serves them. */
inline constexpr int octet_size = 8;

/** Words that eight elements take, as they lie in memory. */
template <class T>
inline constexpr int words_of_octet = octet_size * sizeof(T) / sizeof(std::uint32_t);

}  // namespace ssugraph::detail
