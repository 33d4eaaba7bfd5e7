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
