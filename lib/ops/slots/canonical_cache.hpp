#pragma once

#include "lib/ops/slots/slot_tensors.hpp"

#include <ssugraph/cache_view.hpp>

#include <array>
#include <span>
#include <vector>

/** What layers keep, as slot operations take it. */
namespace ssugraph::detail {

/** A tensor of a cache by name. */
struct cache_member {
  const char* name;
  tensor_view cache_view::*member;
};

inline constexpr std::array<cache_member, 7> cache_members{{
    {"state", &cache_view::state},
    {"state_scale", &cache_view::state_scale},
    {"x_ring", &cache_view::x_ring},
    {"B_ring", &cache_view::B_ring},
    {"dt_ring", &cache_view::dt_ring},
    {"ring_cursor", &cache_view::ring_cursor},
    {"rounding_key", &cache_view::rounding_key},
}};

/**
 * The caches with all their axes: states of any format, scales exactly if they are scaled, rings
 * with all that belongs to them. A cursor is cut to the slots of the state and left to one of the
 * caches that have it, one of the most slots, so that each is written once. Throws
 * invalid_argument, which names the tensor.
 */
[[nodiscard]] std::vector<cache_view> canonical_caches(std::span<const cache_view> given);

/** All tensors of canonical `caches`, none of them written but the members `written`. */
[[nodiscard]] std::vector<slot_tensor> tensors_of(
    std::span<const cache_view> caches, std::span<tensor_view cache_view::*const> written);

}  // namespace ssugraph::detail
