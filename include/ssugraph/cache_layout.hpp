#pragma once

/** @file
 *  Where what layers keep may lie in an engine's pool of equal slots. */

#include <ssugraph/cache_view.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>

namespace ssugraph {

/** What a layer keeps of a sequence, by size: known before there is a tensor. */
struct cache_sizes {
  std::int64_t nheads = 0;               ///< from 1
  std::int64_t dim = 0;                  ///< from 1
  std::int64_t dstate = 0;               ///< 1 to 256
  std::int64_t ngroups = 1;              ///< of B; divides nheads
  dtype state_dtype = dtype::bfloat16;   ///< any that states are stored in
  dtype x_dtype = dtype::bfloat16;       ///< floating; of x_ring
  dtype B_dtype = dtype::bfloat16;       ///< floating; of B_ring
  std::int64_t checkpoint_interval = 0;  ///< W of a checkpointed state, T to 64; 0: no rings
  std::int64_t max_seqlen = 1;           ///< T, the largest that is used on the rings: 1 to 16

  /** Of the same sizes. */
  bool operator==(const cache_sizes&) const = default;
};

/** What a pool asks of its slots. */
struct cache_layout_options {
  /** In one slot: 1, which is a pool per layer, to 4096. Slot operations hold all that lies in one
   * pool to one another: a load costs the host 1.2 ms for 48 layers with rings in one, 0.07 in 48.
   */
  std::int64_t layers = 1;
  std::int64_t slot_alignment = 256;  ///< bytes, a multiple of 256, such as a page: slots are whole
  std::int64_t ring_rows = 0;         ///< R, up to 128; 0: W + 2T - 1, the least

  /** The same. */
  bool operator==(const cache_layout_options&) const = default;
};

/**
 * Where state, scales and rings of a layer, or of several alike, lie in a slot. Slots are equal and
 * follow one another, and each is one stretch of bytes: it may be an engine's page, is copied by
 * one copy, and is fresh if it is zero. Any other strides are legal everywhere; this is for who has
 * none.
 *
 * @code{.cpp}
 * const auto layout = ssugraph::cache_layout::of({.nheads = 128, .dim = 64, .dstate = 128,
 *                                                 .ngroups = 8, .checkpoint_interval = 16});
 * void* pool = my_pool(slots * layout.slot_bytes());  // one for each layer
 * const ssugraph::cache_view cache = layout.view(pool, slots);
 * args.state = cache.state;  // and x_ring, B_ring, dt_ring
 * @endcode
 *
 * Layers lie in a slot one behind the other; of a layer the state comes first, then scales, x_ring,
 * B_ring and dt_ring, each at a multiple of 128 bytes. States and scales are dense. Rows of rings
 * begin at multiples of 16 bytes, of dt_ring those of heads.
 *
 * Neither cursors nor rounding keys are in a slot, for the layers of a sequence group share them:
 * make one tensor of each for the group, (slots, 4) int32 at a multiple of 16 bytes, of zeros, and
 * int64 (slots). Who moves a slot moves its rows of these, too.
 *
 * With the sizes above a ring of W = 16, T = 1 has R = 17 and 323,584 bytes a slot: 15.4 % of a
 * bf16 state, 29.9 % of an int8 one with its scales. T = 4: R = 23, 20.8 % and 40.3 %.
 */
class SSUGRAPH_EXPORT cache_layout {
 public:
  /** Throws invalid_argument, which names the size or the option: one that is out of its range,
   *  ngroups that do not divide nheads, more than 2^31 - 1 rows of dstate, a ring too short for W
   *  and T. */
  [[nodiscard]] static cache_layout of(const cache_sizes& sizes,
                                       const cache_layout_options& options = {});

  ///@{
  /** Bytes of a slot, and what state with scales and rings take of it in each layer. */
  [[nodiscard]] std::int64_t slot_bytes() const noexcept { return slot_bytes_; }
  [[nodiscard]] std::int64_t state_bytes() const noexcept { return x_offset_; }
  [[nodiscard]] std::int64_t ring_bytes() const noexcept { return layer_bytes_ - x_offset_; }
  ///@}
  /** R; 0 without rings. */
  [[nodiscard]] std::int64_t ring_rows() const noexcept { return ring_rows_; }

  /** The tensors of a layer in a pool of so many slots, wherever that is; no memory is looked at.
   *  Throws invalid_argument: `pool` that is no multiple of 256 or leaves 62 bits of address,
   *  `slots` below 0, `layer` that there is none. */
  [[nodiscard]] cache_view view(const void* pool, std::int64_t slots, std::int64_t layer = 0) const;

  /** Of the same sizes and options. */
  bool operator==(const cache_layout&) const = default;

 private:
  cache_layout() = default;

  cache_sizes sizes_;
  std::int64_t layers_ = 0;
  std::int64_t ring_rows_ = 0;
  // Where the parts of a layer begin, in bytes; the state begins it.
  std::int64_t scale_offset_ = 0;
  std::int64_t x_offset_ = 0;
  std::int64_t b_offset_ = 0;
  std::int64_t dt_offset_ = 0;
  std::int64_t layer_bytes_ = 0;
  std::int64_t slot_bytes_ = 0;
};

}  // namespace ssugraph
