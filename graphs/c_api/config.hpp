#pragma once

#include <ssugraph/config.hpp>
#include <ssugraph/ssugraph.h>

namespace ssugraph::c_api {

/** Throws invalid_argument. What only a backend can tell, its constructor does. */
[[nodiscard]] mamba_config config_of(const ssugraph_config* config);

}  // namespace ssugraph::c_api
