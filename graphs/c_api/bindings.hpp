#pragma once

#include <ssugraph/binding.hpp>
#include <ssugraph/ssugraph.h>

#include <cstddef>
#include <vector>

namespace ssugraph::c_api {

/** Throws invalid_argument, which names the binding. */
[[nodiscard]] std::vector<binding> bindings_of(const ssugraph_binding* bindings, std::size_t count);

}  // namespace ssugraph::c_api
