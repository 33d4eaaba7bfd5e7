#pragma once

#include <ssugraph/byte_range.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <string_view>

namespace ssugraph::detail {

/** What addresses, and the bytes that a tensor spans or counts, stay below: sums of two fit 64 bits
 *  with a sign. */
inline constexpr std::int64_t address_limit = std::int64_t{1} << 62;

/**
 * From the lowest byte of `tensor` to its highest; of an empty one: none. With `first_axis`, what
 * the axes from there on span at the first entries of those before. Of a tensor that passed
 * check_reach, wherever it lies.
 */
[[nodiscard]] byte_range reach_of(const tensor_view& tensor, int first_axis = 0) noexcept;

/**
 * Throws invalid_argument unless every byte of `tensor` lies within 62 bits of address, so that no
 * arithmetic on it overflows: to be asked before anything else. An axis of one entry is never
 * stepped along, so its stride may be any number, and an empty tensor may lie anywhere.
 */
void check_reach(std::string_view name, const tensor_view& tensor);

/** The same of bytes that are named one by one. */
void check_reach(std::string_view name, const byte_range& range);

/** A tensor that passed, where a stride that nobody takes and that is no distance in memory is 0,
 *  for it is computed with all the same. */
[[nodiscard]] tensor_view with_strides_in_reach(const tensor_view& tensor);

}  // namespace ssugraph::detail
