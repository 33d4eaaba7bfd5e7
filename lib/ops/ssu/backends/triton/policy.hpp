#pragma once

#include <ssugraph/tensor_view.hpp>

#include <array>
#include <cstdint>

/** Tuning of the Triton kernels, and what chose it. */
namespace ssugraph::detail::triton {

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
 * Tiles of what was measured; elsewhere the nearest entry counts, by the ratios of dim and dstate,
 * then of programs, with the state's dtype and its rounding worth a factor of 2 and 4.
 *
 * H100, CUDA 13.0, `bench` of 16 layers, all tiles of the manifest side by side; the entries of
 * 8192x16 are not measured but read from the code that ptxas makes. What sets the tiles apart, us a
 * layer:
 *
 *     128x64x128 bf16, batch 128              16x2 198    16x4 200    32x4 197    8x2 208
 *     128x64x128 fp16, Philox-10, batch 128   16x2 309    16x4 359    32x4 309    8x2 359
 *     128x80x128 bf16, batch 128              16x2 250    16x4 254    32x4 262    8x2 266
 *     80x64x64 bf16, batch 4                  16x2 4.4    32x4 5.0    64x4 3.9
 *     80x64x64 bf16, batch 128                16x2 65     32x4 70     64x4 72
 *     80x64x64 bf16, Philox-10, batch 128     16x2 101    32x4 101    64x4 89
 *     80x64x64 fp32, batch 4                  16x2 6.7    16x4 5.9
 *     128x64x256 and 32x128x256, batch 128    16x4 is 3% ahead, 18% with Philox-10
 */
inline constexpr std::array tile_table{
    tile_entry{64, 64, dtype::bfloat16, false, 160, 64, 4},
    tile_entry{64, 64, dtype::bfloat16, false, 1280, 32, 4},
    tile_entry{64, 64, dtype::bfloat16, false, 5120, 16, 2},
    tile_entry{64, 64, dtype::bfloat16, false, 32768, 16, 2},
    tile_entry{64, 64, dtype::bfloat16, true, 80, 32, 4},
    tile_entry{64, 64, dtype::bfloat16, true, 2560, 64, 4},
    tile_entry{64, 64, dtype::bfloat16, true, 32768, 64, 4},
    tile_entry{64, 64, dtype::float32, false, 1280, 16, 4},
    tile_entry{64, 64, dtype::float32, false, 32768, 16, 2},
    tile_entry{64, 128, dtype::bfloat16, false, 128, 16, 2},
    tile_entry{64, 128, dtype::bfloat16, false, 384, 32, 8},
    tile_entry{64, 128, dtype::bfloat16, false, 1024, 16, 2},
    tile_entry{64, 128, dtype::bfloat16, false, 8192, 16, 2},
    tile_entry{64, 128, dtype::bfloat16, false, 65536, 32, 4},
    tile_entry{64, 128, dtype::bfloat16, true, 128, 16, 2},
    tile_entry{64, 128, dtype::bfloat16, true, 2048, 16, 2},
    tile_entry{64, 128, dtype::bfloat16, true, 32768, 16, 2},
    tile_entry{64, 128, dtype::float32, false, 64, 8, 2},
    tile_entry{64, 128, dtype::float32, false, 1024, 16, 4},
    tile_entry{64, 128, dtype::float32, false, 16384, 16, 2},
    tile_entry{80, 128, dtype::bfloat16, false, 128, 16, 2},
    tile_entry{80, 128, dtype::bfloat16, false, 2048, 16, 2},
    tile_entry{80, 128, dtype::bfloat16, false, 32768, 16, 2},
    tile_entry{80, 128, dtype::bfloat16, true, 128, 16, 2},
    tile_entry{80, 128, dtype::bfloat16, true, 2048, 16, 2},
    tile_entry{80, 128, dtype::bfloat16, true, 32768, 16, 2},
    tile_entry{64, 256, dtype::bfloat16, false, 128, 8, 4},
    tile_entry{64, 256, dtype::bfloat16, false, 2048, 16, 4},
    tile_entry{64, 256, dtype::bfloat16, false, 32768, 16, 4},
    tile_entry{128, 256, dtype::bfloat16, false, 64, 8, 4},
    tile_entry{128, 256, dtype::bfloat16, false, 512, 16, 4},
    tile_entry{128, 256, dtype::bfloat16, false, 8192, 16, 4},
    tile_entry{128, 256, dtype::bfloat16, true, 512, 16, 4},
    tile_entry{128, 256, dtype::bfloat16, true, 8192, 16, 4},
    tile_entry{128, 256, dtype::float32, false, 64, 4, 2},
    tile_entry{128, 256, dtype::float32, false, 2048, 16, 8},
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

}  // namespace ssugraph::detail::triton
