#pragma once

#include "lib/core/kernel_launch.hpp"
#include "lib/ops/ssu/backends/triton/image.hpp"
#include "lib/step/kernel_launches.hpp"

#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>

namespace ssugraph::detail::triton {

/** The launch of a call by `plan`, with the kernel of `image`, which is loaded. */
[[nodiscard]] kernel_launch lowered(const ssu_plan& plan, std::int64_t sequences,
                                    const triton_image& image, const void* kernel,
                                    const ssu_args& args, const launch_context& context);

}  // namespace ssugraph::detail::triton
