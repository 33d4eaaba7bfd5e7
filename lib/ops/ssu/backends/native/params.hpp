#pragma once

#include "lib/ops/ssu/backends/native/choice.hpp"
#include "lib/ops/ssu/backends/native/ssu_params.hpp"
#include "lib/step/kernel_launches.hpp"

#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/tensor_view.hpp>

#include <algorithm>
#include <cstdint>

/** From a choice to its plan, and from a plan to the arguments of its kernel. */
namespace ssugraph::detail::native {

/** Strides in bytes. */
template <int Rank>
strided<Rank> lowered(const tensor_view& tensor) {
  strided<Rank> result{.data = tensor.data(), .stride = {}, .type = tensor.dtype()};
  std::ranges::transform(tensor.strides(), result.stride,
                         [&](std::int64_t stride) { return stride * size_of(tensor.dtype()); });
  return result;
}

/** Throws unsupported where there would be too many blocks. */
[[nodiscard]] ssu_plan describe(const ssu_problem& problem, std::int64_t sequences,
                                const algorithm_choice& choice);

/** `plan`, launched for `sequences` sequences of `args`. */
[[nodiscard]] ssu_params params_of(const ssu_plan& plan, const ssu_args& args,
                                   const launch_context& context, std::int64_t sequences);

}  // namespace ssugraph::detail::native
