#pragma once

#include "graphs/core/pipeline_core.hpp"

#include <cstddef>

/** How much memory a lane takes, as far as it is known before the lane is made. */
namespace ssugraph::detail {

/**
 * Device memory that the driver takes, in bytes, a few percent more than measured: on an H100 with
 * CUDA 13.0 and driver 580.159.04, `SSUGRAPH_TEST_NODES=400000 graph_tests
 * --gtest_filter='lanes_on_a_device.*'` fitted 1,143,988, 114,642 and 2,355. The first lanes of a
 * process take less: the driver has some 200 MB at hand.
 */
inline constexpr std::size_t bytes_a_lane = 1'155'000;  ///< its streams and events
inline constexpr std::size_t bytes_a_graph = 116'000;
inline constexpr std::size_t bytes_a_node = 2'400;

/** Of an executable graph of so many nodes. */
[[nodiscard]] constexpr std::size_t bytes_of_graph(std::size_t nodes) noexcept {
  return bytes_a_graph + nodes * bytes_a_node;
}

/** Of a lane that has recorded all of its buckets. */
[[nodiscard]] std::size_t lane_bytes(const pipeline_core& core);

}  // namespace ssugraph::detail
