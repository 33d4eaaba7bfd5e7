#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"
#include "lib/ops/ssu/registry.hpp"

#include <ssugraph/backend.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <cstdint>
#include <memory>
#include <string>

/** From a problem and a backend to what runs it. */
namespace ssugraph::detail {

/** Whether `backend` has the features and dtypes that `problem` needs, and serves it. */
[[nodiscard]] support answer_of(const mamba_ssu_backend& backend, const ssu_problem& problem);

/**
 * `problem` planned by `backend`. Throws unsupported, with every backend's answer, where that does
 * not serve the problem or cannot do `algorithm`.
 */
[[nodiscard]] std::shared_ptr<planned_ssu> resolve(const backend_pointer& backend,
                                                   const ssu_problem& problem,
                                                   std::int64_t sequences,
                                                   const std::string& algorithm);

}  // namespace ssugraph::detail
