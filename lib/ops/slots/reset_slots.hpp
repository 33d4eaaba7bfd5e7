#pragma once

#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <span>

namespace ssugraph::detail {

/** The kernel behind ssugraph::reset_slots; `states` are canonical and `slots` is (n), checked. */
void launch_reset_slots(std::span<const tensor_view> states, const tensor_view& slots,
                        stream_handle stream);

}  // namespace ssugraph::detail
