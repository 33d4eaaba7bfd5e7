#pragma once

/** @file
 *  A stretch of memory. */

#include <ssugraph/export.hpp>

#include <cstddef>

namespace ssugraph {

/** So many bytes from an address on. */
struct byte_range {
  const void* data = nullptr;  ///< where it starts
  std::size_t bytes = 0;       ///< its length

  bool operator==(const byte_range&) const = default;
};

}  // namespace ssugraph
