#pragma once

#include "lib/ops/ssu/backends/native/choice.hpp"

#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/tensor_view.hpp>

#include <string>

namespace ssugraph::detail::native {

/** What `find`, a template of a dtype and of whether it is rounded, returns for the states of
 *  `problem`. Throws unsupported where no kernel has such states. */
template <class Find>
const void* of_format(const ssu_problem& problem, Find find) {
  const auto of = [&]<dtype State>() {
    return problem.stochastic_rounding ? find.template operator()<State, true>()
                                       : find.template operator()<State, false>();
  };
  switch (problem.state_dtype) {
    case dtype::float16:
      return of.template operator()<dtype::float16>();
    case dtype::bfloat16:
      return of.template operator()<dtype::bfloat16>();
    case dtype::int16:
      return of.template operator()<dtype::int16>();
    case dtype::int8:
      return of.template operator()<dtype::int8>();
    case dtype::float8_e4m3:
      return of.template operator()<dtype::float8_e4m3>();
    case dtype::float32:
      if (!problem.stochastic_rounding) return find.template operator()<dtype::float32, false>();
      [[fallthrough]];
    case dtype::int32:
    case dtype::int64:
      break;
  }
  throw refusal("no kernel for " + std::string{problem.stochastic_rounding ? "rounded " : ""} +
                "states of " + std::string{to_string(problem.state_dtype)});
}

}  // namespace ssugraph::detail::native
