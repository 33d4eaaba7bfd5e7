#pragma once

#include "lib/ops/ssu/problem/operands.hpp"

#include <ssugraph/ssu.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/** The shapes that the tensors of a call are to have, and what errors say of them. */
namespace ssugraph::detail {

/** `(4, 1, 128)`. */
[[nodiscard]] std::string tuple(std::span<const std::int64_t> extents);

/** What each axis of a bound tensor counts in a call: rows of x, ngroups of B, slots of its own,
 * all else of state; these have all of their axes. */
[[nodiscard]] std::vector<std::int64_t> extents_of(const ssu_args& args,
                                                   const ssu_operand& operand);

/** `shape (rows, ngroups, dstate) = (4, 1, 128)`, and of which tensors these sizes are. */
[[nodiscard]] std::string describe(const ssu_shape& shape, std::span<const std::int64_t> extents);

/** How `given`, which has the first of its axes alone, gets the others by stride 0. Empty if that
 *  is not what it lacks, or it is none of the tensors that models have one value a head of. */
[[nodiscard]] std::string expand_hint(const ssu_operand& operand, const tensor_view& given,
                                      const ssu_args& args);

}  // namespace ssugraph::detail
