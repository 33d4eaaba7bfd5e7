#pragma once

#include <ssugraph/ssu_problem.hpp>

#include <cstdint>

namespace ssugraph::detail {

/** All bytes that a call of `sequences` live sequences must move once, at most T tokens a sequence:
 *  one state in and out one (speculative mode: T), x dt z B C and out a row, A D and dt_bias.
 * Indices and counts are left out. */
[[nodiscard]] std::int64_t ssu_traffic(const ssu_problem& problem, std::int64_t sequences);

}  // namespace ssugraph::detail
