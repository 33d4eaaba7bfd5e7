#pragma once

#include <ssugraph/tensor_view.hpp>

#include <string_view>

namespace ssugraph::detail {

/** Throws invalid_argument, which names `scale`, unless `state`, called `of`, is scaled and has
 * scales or is not, or not bound, and has none. */
void check_scale(std::string_view name, const tensor_view& scale, std::string_view of,
                 const tensor_view& state);

}  // namespace ssugraph::detail
