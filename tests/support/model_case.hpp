#pragma once

#include "tests/support/ssu_case.hpp"

namespace ssugraph::test {

/**
 * Random data for `spec`, laid out the way models do, which backends with compiled shapes want:
 * dense state, x, B and C as slices of one row, one scalar a head in dt, A, D and dt_bias. `spec`
 * is tied, has room for its batch alone, and its null sequences, a third of them, are
 * null_block_id: no slot is out of range. Every slot is of one sequence, and one in three
 * destinations is null.
 */
[[nodiscard]] ssu_case model_case(const case_spec& spec, random_engine& engine);

}  // namespace ssugraph::test
