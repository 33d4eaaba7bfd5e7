#pragma once

#include "lib/ssu/backends.hpp"

#include <ssugraph/ssu.hpp>

namespace ssugraph::detail {

/** How a step runs in one bucket. */
struct step_plan {
  ssu_plan plan;
  backend_pointer backend;  ///< the plan's own
  bool overlaps = false;    ///< its kernel may start under a library kernel in front
};

/** `plan` with the backend that it names; a library kernel is loaded without being run. Throws
 *  cuda_error. */
[[nodiscard]] step_plan executable(ssu_plan plan);

}  // namespace ssugraph::detail
