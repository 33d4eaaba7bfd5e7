#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"

#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/** Native plans of checkpointed states. */
namespace ssugraph::detail::native {

/** As native_backend::resolve. */
[[nodiscard]] std::shared_ptr<planned_ssu> resolve_checkpointed(const ssu_problem& problem,
                                                                std::int64_t sequences,
                                                                const std::string& algorithm);

/** As native_backend::candidates. */
[[nodiscard]] std::vector<ssu_plan> checkpointed_candidates(const ssu_problem& problem,
                                                            std::int64_t sequences);

}  // namespace ssugraph::detail::native
