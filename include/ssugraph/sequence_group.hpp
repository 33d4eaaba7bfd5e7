#pragma once

/** @file
 *  What layers share of their sequences. */

#include <ssugraph/tensor_view.hpp>

#include <cstdint>

namespace ssugraph {

/**
 * Sequences, bound once for all layers that name them (`pipeline_builder::sequences`,
 * `ssu_options::sequences`): the tensors and scalars of ssu_args that say which sequences there are
 * and what is live of them, and mean there what they mean here. A pipeline may have several, each
 * with slots of its own.
 */
struct sequence_group {
  tensor_view state_batch_indices;        ///< optional (n) or (n, T), int32 or int64
  tensor_view dst_state_batch_indices;    ///< optional, the same shape
  tensor_view num_accepted_tokens;        ///< optional (n), int32 or int64
  tensor_view cu_seqlens;                 ///< optional (n + 1), int32 or int64
  tensor_view ring_cursor;                ///< of steps with rings: (slots, 4) int32
  tensor_view ring_plan;                  ///< or (n, 8) int32
  tensor_view rounding_key;               ///< optional, of steps with rings: (slots) int64
  std::int64_t null_block_id = 0;         ///< the slot that is nobody's
  std::int64_t max_seqlen = 0;            ///< T, with cu_seqlens
  std::int64_t checkpoint_interval = 16;  ///< W, of steps with rings

  /** The same tensors, and the same numbers. */
  bool operator==(const sequence_group&) const = default;
};

}  // namespace ssugraph
