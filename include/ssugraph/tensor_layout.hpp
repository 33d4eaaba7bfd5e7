#pragma once

/** @file
 *  How the tensors of a problem lie in memory. */

#include <ssugraph/tensor_view.hpp>

#include <array>
#include <cstdint>

namespace ssugraph {

/** How a tensor lies in memory, every axis present. */
struct tensor_layout {
  /** The largest alignment that is told apart, bytes. */
  static constexpr std::int64_t max_alignment = 128;

  /** Elements; 0 on an axis of extent 1, unless it is the first and counts slots, rows or
   *  sequences. */
  std::array<std::int64_t, tensor_view::max_rank> strides{};
  std::int64_t alignment = 0;  ///< of the address: a power of two up to 128; 0: nothing is bound

  bool operator==(const tensor_layout&) const = default;
};

}  // namespace ssugraph
