#pragma once

#include "tests/support/arena.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/cache_view.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/** Layers with dense states, in one block of memory, for load_slots and store_slots. */
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
  arena memory;

  [[nodiscard]] std::vector<cache_view> caches_at(std::byte* base) const;
  [[nodiscard]] std::vector<tensor_view> states_at(std::byte* base) const;
  [[nodiscard]] slot_list slots_at(std::byte* base) const;
};

/** A tensor relative to address 0, with all axes, on memory. */
[[nodiscard]] tensor_view moved(const tensor_view& tensor, std::byte* base);

struct slot_shape {
  std::int64_t slots, nheads, dim, dstate;
};

/** As many layers of each format of `formats` and each dtype of dense states; shapes, strides and
 *  alignment at random, or, with `shape`, as models have them. */
[[nodiscard]] slot_case make_slot_case(std::span<const dtype> formats, int each,
                                       const std::vector<std::int64_t>& slots,
                                       random_engine& engine, const slot_shape* shape = nullptr);

/** What `after` a load holds that it should not, or what it lacks; empty if nothing. Codes may be
 *  either neighbour of a value within 2^-18 of QMAX of their middle. */
[[nodiscard]] std::string wrong_after_load(const slot_case& test, arena& before, arena& after);
/** The same after a store; NaN are equal. */
[[nodiscard]] std::string wrong_after_store(const slot_case& test, arena& before, arena& after);

/** `memory` with one NaN for all in dense tensors and floating states, for their bits are nobody's
 *  promise. */
[[nodiscard]] arena with_plain_nans(const slot_case& test, arena memory);

}  // namespace ssugraph::test
