#pragma once

#include <ssugraph/byte_range.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace ssugraph::detail {

/**
 * Whether two strided tensors may share a byte. Exact for the layouts of serving engines: disjoint
 * spans, and slices of rows of one buffer (equal outer stride, disjoint within the row). Any other
 * interleaving counts as sharing.
 */
[[nodiscard]] bool may_overlap(const tensor_view& a, const tensor_view& b) noexcept;

/** Whether they share a byte. */
[[nodiscard]] bool may_overlap(const byte_range& a, const byte_range& b) noexcept;

/** What two tensors that may overlap do, `b` by its name: overlap, or interleave in a way of which
 *  may_overlap cannot tell. */
[[nodiscard]] std::string describe_overlap(const tensor_view& a, const tensor_view& b,
                                           std::string_view name_of_b);

/**
 * The lowest byte that the tensor touches at `from` or above it; null: there is none. Where an axis
 * steps into what the ones within it span, all that they span counts as touched.
 */
[[nodiscard]] const std::byte* next_byte_of(const tensor_view& tensor, const void* from);

/**
 * Whether two elements of one tensor may lie on each other: false if, by ascending stride, each
 * axis steps over all that the ones before it span.
 */
[[nodiscard]] bool overlaps_itself(const tensor_view& tensor);

}  // namespace ssugraph::detail
