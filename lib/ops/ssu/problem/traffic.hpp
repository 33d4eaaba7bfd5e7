#pragma once

#include <ssugraph/ssu_problem.hpp>

#include <cstdint>

namespace ssugraph::detail {

/** All bytes that a call of `sequences` live sequences must move once, of `rows` tokens in all: a
 *  state in and out one (speculative mode: one a token), x dt z B C and out a row, A D and dt_bias.
 *  Of a checkpointed state, what each step moves on the average.
 *  Indices and counts are left out. */
[[nodiscard]] std::int64_t ssu_traffic(const ssu_problem& problem, std::int64_t sequences,
                                       std::int64_t rows);

/** The same of the most tokens that they may have. */
[[nodiscard]] std::int64_t ssu_traffic(const ssu_problem& problem, std::int64_t sequences);

}  // namespace ssugraph::detail
