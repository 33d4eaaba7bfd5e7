#pragma once

#include <ssugraph/cache_view.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <span>

namespace ssugraph::detail {

/** The kernel behind ssugraph::reset_slots; `states` are canonical and `slots` are checked. */
void launch_reset_slots(std::span<const tensor_view> states, const slot_list& slots,
                        stream_handle stream);

}  // namespace ssugraph::detail
