#pragma once

#include "cuda.hpp"

#include <cstdint>

/**
 * The kernels between the GEMMs and the SSU: bf16 in memory, fp32 arithmetic, 16-byte accesses.
 * Strides are in elements; widths, channels and strides are multiples of 8, and tensors are
 * aligned to 16 bytes. All enqueue on `stream` and throw cuda_error; capture-safe.
 *
 * A launch with `programmatic` may start while the kernel in front still runs. Before it waits for
 * that one, a kernel here reads what nothing directly in front of it writes, and writes nothing.
 */
namespace decode_block {

/** Row i of `out` becomes row tokens[i] of `table`; from row *live on: zeros. */
struct embedding {
  const bf16* table;           ///< (vocabulary, width)
  const std::int32_t* tokens;  ///< (rows)
  const std::int32_t* live;    ///< one
  bf16* out;                   ///< (rows, width)
  std::int64_t width;
};
void enqueue(const embedding& job, std::int64_t rows, cudaStream_t stream);

/**
 * out = v / sqrt(mean of v^2 over the group + 1e-5) * weight, where v = in [* gate *
 * sigmoid(gate)]. A group has at most 8192 elements. Source: Zhang and Sennrich, "Root mean square
 * layer normalization" (2019); gated and in groups: Dao and Gu, "Transformers are SSMs" (2024).
 */
struct rms_norm {
  const bf16* in;      ///< (rows, width)
  const bf16* gate;    ///< optional (rows, width)
  const bf16* weight;  ///< (width)
  bf16* out;           ///< (rows, width), dense
  std::int64_t width;
  std::int64_t groups;
  std::int64_t in_stride;
  std::int64_t gate_stride;
};
inline constexpr float norm_epsilon = 1e-5f;
void enqueue(const rms_norm& job, std::int64_t rows, bool programmatic, cudaStream_t stream);

/**
 * One step of a causal convolution of `conv_width` taps for every channel, then SiLU. The state of
 * a sequence holds its last inputs, oldest first; the new one takes the place of the oldest. A row
 * whose slot is `null_slot` reads no state and writes nothing. Every block triggers the kernel
 * behind as soon as the one in front is over.
 */
struct conv_update {
  const bf16* in;             ///< (rows, channels)
  bf16* state;                ///< (slots, conv_width - 1, channels)
  const bf16* weight;         ///< (conv_width, channels), the tap of the new input last
  const bf16* bias;           ///< (channels)
  const std::int32_t* slots;  ///< (rows)
  bf16* out;                  ///< (rows, channels), dense
  std::int64_t channels;
  std::int64_t in_stride;
  std::int64_t slot_stride;
  std::int64_t null_slot;
};
void enqueue(const conv_update& job, std::int64_t rows, bool programmatic, cudaStream_t stream);

/** Whether the kernels were compiled for what `programmatic` needs: 9.0 or later. */
[[nodiscard]] bool can_be_programmatic();

}  // namespace decode_block
