#pragma once

#include <ssugraph/ssu.hpp>

#include <cstdint>

namespace ssugraph::detail {

/** Bytes of state that a call of `sequences` live sequences reads and writes: one state in, and out
 *  one (speculative mode: T). */
[[nodiscard]] std::int64_t state_traffic(const ssu_problem& problem, std::int64_t sequences);

/** All bytes that such a call must move once, at most T tokens a sequence: the state, x dt z B C
 *  and out a row, A D and dt_bias. Indices and counts are left out. */
[[nodiscard]] std::int64_t ssu_traffic(const ssu_problem& problem, std::int64_t sequences);

}  // namespace ssugraph::detail
