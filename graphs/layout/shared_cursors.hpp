#pragma once

#include "lib/step/planned_step.hpp"

#include <string>

/** Steps on one cursor: a prologue takes it on once for all of them. */
namespace ssugraph::detail {

/** Whether both have a cursor, and that is one. */
[[nodiscard]] bool share_cursor(const step_traits& mine, const step_traits& other);

/** Throws invalid_argument, which names the tensor or scalar of `mine`, if both share a cursor and
 *  would take it on differently. `owner` is the name of `other`. */
void check_shared_cursor(const step_traits& mine, const step_traits& other,
                         const std::string& owner);

/** Throws invalid_argument, which names the cursor of `mine`, if both shared one as they were
 * built, and no longer do. */
void check_still_shared(const step_traits& mine, const step_traits& my_built,
                        const step_traits& other, const step_traits& its_built,
                        const std::string& owner);

}  // namespace ssugraph::detail
