#pragma once

#include <ssugraph/device.hpp>
#include <ssugraph/tensor_view.hpp>

#include <string>

namespace ssugraph::detail {

/** Throws invalid_argument, which calls the tensor `name`, unless it lies in one live allocation on
 *  `home`, a CUDA device, or in reserved addresses with memory wherever it has an element. Asks the
 *  driver once a piece of memory that the tensor touches. Throws cuda_error. */
void check_allocation(const std::string& name, const tensor_view& tensor, device home);

}  // namespace ssugraph::detail
