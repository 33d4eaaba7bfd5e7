#pragma once

#include "tests/support/arena.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/cache_view.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/** Layers with dense states, in one block of memory, for slot operations. */
namespace ssugraph::test {

/** Relative to address 0. */
struct slot_layer_case {
  cache_view cache;
  tensor_view dense;
};

struct slot_case {
  std::vector<slot_layer_case> layers;
  tensor_view indices;
  std::int64_t null_block_id = -1;
  std::vector<std::int64_t> slots;  ///< what `indices` holds
  /** Of some entries none that a cursor can have. Plays no part until `has_positions`. */
  tensor_view positions;
  bool has_positions = false;
  std::vector<std::int64_t> position_of;  ///< what `positions` holds
  arena memory;

  [[nodiscard]] std::vector<cache_view> caches_at(std::byte* base) const;
  [[nodiscard]] std::vector<tensor_view> states_at(std::byte* base) const;
  [[nodiscard]] slot_list slots_at(std::byte* base) const;
  /** Where entry `i` goes in a tensor of `count` slots; -1: it is skipped. */
  [[nodiscard]] std::int64_t live_slot(std::size_t i, std::int64_t count) const;
};

/** A tensor relative to address 0, with all axes, on memory. */
[[nodiscard]] tensor_view moved(const tensor_view& tensor, std::byte* base);

struct slot_shape {
  std::int64_t slots, nheads, dim, dstate;
};

/** As many layers of each format of `formats` and each dtype of dense states; shapes, strides and
 *  alignment at random, or, with `shape`, as models have them. With `rings` as probability they
 *  have rings, on one of a few cursors. */
[[nodiscard]] slot_case make_slot_case(std::span<const dtype> formats, int each,
                                       const std::vector<std::int64_t>& slots,
                                       random_engine& engine, const slot_shape* shape = nullptr,
                                       double rings = 0.5);

/** What cursors hold in `after` that they should not where entries that are not skipped gave slots
 *  an empty ring; empty if nothing. What may have been written of `after` becomes as `before`. */
[[nodiscard]] std::string wrong_cursors(const slot_case& test, arena& before, arena& after);

/** What `after` a load holds that it should not, or what it lacks; empty if nothing. Codes may be
 *  either neighbour of a value within 2^-18 of QMAX of their middle. */
[[nodiscard]] std::string wrong_after_load(const slot_case& test, arena& before, arena& after);
/** The same after a store; NaN are equal. */
[[nodiscard]] std::string wrong_after_store(const slot_case& test, arena& before, arena& after);

/** `memory` with one NaN for all in dense tensors and floating states, for their bits are nobody's
 *  promise. */
[[nodiscard]] arena with_plain_nans(const slot_case& test, arena memory);

}  // namespace ssugraph::test
