#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

/** What every device that CUDA runs on has in common. Source: CUDA C++ Programming Guide, "Compute
 *  Capabilities". */
namespace ssugraph::detail {

inline constexpr int warp_threads = 32;
inline constexpr unsigned whole_warp = 0xffffffffu;  ///< as a mask of its threads

inline constexpr int max_threads_per_block = 1024;
/** Shared memory of a block whose launch asks for none. */
inline constexpr std::size_t max_static_shared_bytes = std::size_t{48} * 1024;

/** Blocks of a grid along x, and along y and z. */
inline constexpr std::int64_t max_grid_x = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int64_t max_grid_yz = 65535;

}  // namespace ssugraph::detail
