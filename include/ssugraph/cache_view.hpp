#pragma once

/** @file
 *  What a layer keeps of its sequences, and slots of it. */

#include <ssugraph/export.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>

namespace ssugraph {

/** What one layer keeps of all sequences; `lane::caches` hands out those of a pipeline. */
struct cache_view {
  tensor_view state;        ///< (slots, nheads, dim, dstate) or (slots, dim, dstate), any strides
  tensor_view state_scale;  ///< of a scaled state: fp32 (slots, nheads, dim) or (slots, dim)
  ///@{
  /** Of a checkpointed state: the inputs since, all three or none, as ssu_args has them. */
  tensor_view x_ring{};   ///< (slots, nheads, R, dim)
  tensor_view B_ring{};   ///< (slots, ngroups, R, dstate)
  tensor_view dt_ring{};  ///< (slots, nheads, R), fp32
  ///@}
  /** Beside rings: (slots, 4) int32, what is live of them. One for all layers of a sequence group,
   *  so it may be in several caches. None where the caller keeps trackers of its own. */
  tensor_view ring_cursor{};
  tensor_view rounding_key{};  ///< beside rings: (slots) int64, shared as the cursor is

  /** Of the same tensors. */
  bool operator==(const cache_view&) const = default;
};

/** Slots by number, in all layers alike. A slot outside a state is skipped, and the null block. */
struct slot_list {
  /** Implicit: a tensor alone will do. `null`: the null block, -1: none; unlike
   *  ssu_args::null_block_id, none by default. */
  slot_list(const tensor_view& given, std::int64_t null = -1)
      : indices{given}, null_block_id{null} {}

  tensor_view indices;         ///< (n), int32 or int64, where the states are
  std::int64_t null_block_id;  ///< skipped; -1: none
};

}  // namespace ssugraph
