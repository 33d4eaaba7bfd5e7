#pragma once

#include "lib/ops/ssu/registry.hpp"

#include <string>

namespace ssugraph::detail {

/**
 * The backend that a config calls `name`. Throws invalid_argument with the valid names, or
 * unsupported for one that this build lacks, with what brings it.
 */
[[nodiscard]] backend_pointer find_backend(const std::string& name);

}  // namespace ssugraph::detail
