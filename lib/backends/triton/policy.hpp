#pragma once

#include <ssugraph/tensor_view.hpp>

#include <array>
#include <cstdint>

/** Tuning of the Triton kernels, and what chose it. */
namespace ssugraph::detail {

struct tile_entry {
  std::int64_t dim;
  std::int64_t dstate;
  dtype state;
  bool rounding;
  std::int64_t programs;  ///< sequences x heads
  int rows;
  int warps;
};

/**
 * Tiles of what was measured; elsewhere the nearest entry counts, by the ratios of dim, dstate and
 * programs, with the state's dtype and its rounding worth a factor of 2 and 4.
 *
 * Not measured yet. Read from the code that ptxas makes: a warp runs some 600 instructions, and 80
 * more for each row that its threads hold. Two rows a thread keep the device busy with few
 * programs; four bring the instructions below what the memory takes once there are many.
 */
inline constexpr std::array tile_table{
    tile_entry{64, 64, dtype::bfloat16, false, 128, 32, 4},
    tile_entry{64, 64, dtype::bfloat16, false, 4096, 64, 4},
    tile_entry{64, 128, dtype::bfloat16, false, 128, 16, 4},
    tile_entry{64, 128, dtype::bfloat16, false, 4096, 32, 4},
    tile_entry{64, 128, dtype::bfloat16, true, 128, 16, 4},
    tile_entry{64, 128, dtype::bfloat16, true, 4096, 32, 4},
    tile_entry{64, 128, dtype::float32, false, 128, 16, 4},
    tile_entry{64, 128, dtype::float32, false, 4096, 16, 4},
    tile_entry{80, 128, dtype::bfloat16, false, 128, 16, 4},
    tile_entry{80, 128, dtype::bfloat16, false, 4096, 16, 4},
    tile_entry{64, 256, dtype::bfloat16, false, 128, 8, 4},
    tile_entry{64, 256, dtype::bfloat16, false, 4096, 16, 4},
    tile_entry{128, 256, dtype::bfloat16, false, 128, 8, 4},
    tile_entry{128, 256, dtype::bfloat16, false, 4096, 16, 4},
    tile_entry{8192, 16, dtype::bfloat16, false, 1, 64, 4},
    tile_entry{8192, 16, dtype::bfloat16, false, 64, 128, 4},
};

/**
 * The tile on Blackwell for dstate above 64, which vLLM's tuning of its own Triton kernel chose
 * (vllm/model_executor/layers/mamba/ops/mamba_ssm.py: 32 rows and 8 warps). Smaller dstate: as
 * above.
 */
inline constexpr std::int64_t blackwell_dstate_above = 64;
inline constexpr int blackwell_rows = 32;
inline constexpr int blackwell_warps = 8;

}  // namespace ssugraph::detail
