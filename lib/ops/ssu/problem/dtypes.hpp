#pragma once

#include <ssugraph/config.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/tensor_view.hpp>

namespace ssugraph::detail {

/** Throws invalid_argument unless every tensor has a dtype that it may have, and scaled states, and
 *  no others, their scales. */
void check_dtypes(const ssu_args& args);

/** Throws invalid_argument if `state` is to be rounded and is never: one in fp32. */
void check_rounding(const tensor_view& state, const mamba_config& config);

}  // namespace ssugraph::detail
