#pragma once

#include "graphs/core/pipeline_core.hpp"

#include <cstddef>

/** How much memory a lane takes, as far as that can be said before there is one. */
namespace ssugraph::detail {

/**
 * Device memory that the driver takes, in bytes. To be measured, and here is the place for it:
 * `graph_tests --gtest_filter='lanes_on_a_device.*'` prints all three. These are estimates; all
 * that is known is that 1,716 nodes of 35 graphs took less than 1.6 MiB (H100, CUDA 13.0).
 */
inline constexpr std::size_t bytes_a_lane = 0;  ///< its streams and events
inline constexpr std::size_t bytes_a_graph = 4096;
inline constexpr std::size_t bytes_a_node = 1024;

/** Of an executable graph of so many nodes. */
[[nodiscard]] constexpr std::size_t bytes_of_graph(std::size_t nodes) noexcept {
  return bytes_a_graph + nodes * bytes_a_node;
}

/** Of a lane with the graphs of all buckets. */
[[nodiscard]] std::size_t lane_bytes(const pipeline_core& core);

}  // namespace ssugraph::detail
