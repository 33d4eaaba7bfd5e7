#pragma once

namespace ssugraph::detail {

/** Elements of dstate a thread holds of a row: one Philox draw serves them. */
inline constexpr int octet_size = 8;

}  // namespace ssugraph::detail
