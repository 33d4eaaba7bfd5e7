#pragma once

#include "tests/golden/golden_folder.hpp"
#include "tests/golden/safetensors.hpp"
#include "tests/support/ring_execution.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace ssugraph::test {

/** SSUGRAPH_GOLDEN_OPS_DIR, or shared/golden_ops beside the repository. */
[[nodiscard]] golden_folder find_golden_ops();

/** Steps every recorded case of checkpointed states by `how`, prints its worst errors, and fails
 *  where one is too large. */
void check_checkpointed_cases(const ring_execution& how);

}  // namespace ssugraph::test
