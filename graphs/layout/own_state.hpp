#pragma once

#include "lib/step/planned_step.hpp"

#include <string>

namespace ssugraph::detail {

/** Throws invalid_argument, which names the tensor of `mine`, if what it keeps (states, rings, a
 *  cursor) shares memory with what `other`, which is step `owner`, keeps; of one cursor, they may.
 */
void check_own_state(const step_traits& mine, const step_traits& other, const std::string& owner);

}  // namespace ssugraph::detail
