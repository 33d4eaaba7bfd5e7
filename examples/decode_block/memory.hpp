#pragma once

#include "cuda.hpp"
#include "models.hpp"

#include <ssugraph/rings.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/** What a decode step works on, and how it is filled, swapped and compared. */
namespace decode_block {

/** Rows of the embedding; a token is below it. */
inline constexpr std::int32_t vocabulary = 1024;

/** bf16, but for A. */
struct layer_weights {
  device_array<bf16> pre_norm;   ///< (d_model)
  device_array<bf16> in_proj;    ///< (projected, d_model)
  device_array<bf16> conv;       ///< (conv_width, conv_channels)
  device_array<bf16> conv_bias;  ///< (conv_channels)
  device_array<float> A;         ///< (nheads)
  device_array<bf16> D;          ///< (nheads)
  device_array<bf16> dt_bias;    ///< (nheads)
  device_array<bf16> norm;       ///< (inner)
  device_array<bf16> out_proj;   ///< (d_model, inner)
};

/** Random, scaled so that a row of any activation stays around 1 in magnitude. */
struct model_weights {
  /** Waits for `stream`. */
  model_weights(const decode_block::model& shape, cudaStream_t stream);

  decode_block::model model;
  device_array<bf16> embedding;  ///< (vocabulary, d_model)
  std::vector<layer_weights> layers;
};

/** Of every sequence, from step to step. */
struct layer_state {
  device_array<std::byte> ssm;  ///< (slots, nheads, dim, dstate), of the model's state_dtype
  device_array<float> scale;    ///< (slots, nheads, dim) of a scaled one; else empty
  device_array<bf16> conv;      ///< (slots, conv_width - 1, conv_channels)
  ///@{
  /** Of a checkpointed state, the inputs since; else empty. */
  device_array<bf16> x_ring;    ///< (slots, nheads, ring_rows, dim)
  device_array<bf16> B_ring;    ///< (slots, ngroups, ring_rows, dstate)
  device_array<float> dt_ring;  ///< (slots, nheads, ring_rows)
  ///@}
};

/** Inputs, activations and states for up to `max_batch` sequences. Slot 0 is the null block. */
struct decode_memory {
  /** States and rings are random, cursors spread, all else is zero. Waits for `stream`. */
  decode_memory(const decode_block::model& model, std::int32_t max_batch, cudaStream_t stream);

  std::int32_t max_batch;
  std::int32_t slots;                        ///< max_batch, the null block, and one of nobody's
  device_array<std::int32_t> tokens;         ///< (max_batch)
  device_array<std::int32_t> slot_of;        ///< (max_batch), of each sequence
  std::vector<device_array<bf16>> residual;  ///< (max_batch, d_model) in front of and behind layers
  device_array<bf16> normed;                 ///< (max_batch, d_model)
  device_array<bf16> projected;              ///< (max_batch, projected)
  device_array<bf16> convolved;              ///< (max_batch, conv_channels)
  device_array<bf16> out;                    ///< (max_batch, inner), of the SSU
  device_array<bf16> gated;                  ///< (max_batch, inner)
  std::vector<layer_state> states;
  device_array<ssugraph::ring_cursor> cursor;  ///< (slots), of all layers; empty without rings
};

/** The state of a sequence in a layer as numbers. */
struct state_values {
  std::vector<float> values;  ///< (nheads, dim, dstate)
  /** By what rounding to a scaled format may have moved each; of other formats none. */
  std::vector<float> units;
};

/** Gives the slots rings of all lengths. Waits for `stream`. */
void spread_cursors(const model& model, const decode_memory& memory, cudaStream_t stream);

/** Adds to the checkpoint of a slot what is in its ring: all of it stands, as after steps of one
 *  token. `A`: of the layer. Waits for `stream`. */
void add_ring(const model& model, const device_array<float>& A, const decode_memory& memory,
              std::size_t layer, std::int64_t slot, std::vector<float>& state, cudaStream_t stream);

/** What lies in a slot, without its ring. Waits for `stream`. */
[[nodiscard]] state_values read_state(const model& model, const layer_state& state,
                                      std::int64_t slot, cudaStream_t stream);

/** Swaps what two arrays of one size hold, a multiple of eight bytes, in stream order. */
void swap_contents(std::span<std::byte> a, std::span<std::byte> b, cudaStream_t stream);

/** The first byte that differs in two such arrays. Waits for `stream`. */
[[nodiscard]] std::optional<std::int64_t> first_difference(std::span<std::byte> a,
                                                           std::span<std::byte> b,
                                                           cudaStream_t stream);

}  // namespace decode_block
