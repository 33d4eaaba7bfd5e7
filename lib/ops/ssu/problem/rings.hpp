#pragma once

#include <ssugraph/ssu.hpp>

#include <cstdint>

/** What a checkpointed state asks of a call. */
namespace ssugraph::detail {

/** Throws invalid_argument unless all that belongs to a ring is bound, or nothing is. */
void check_ring_partners(const ssu_args& args);

/** Throws invalid_argument unless the rings of `args`, which are canonical, fit W, T, its
 *  `sequences` and a tied model. Without rings, nothing is looked at. */
void check_rings(const ssu_args& args, std::int64_t sequences);

}  // namespace ssugraph::detail
