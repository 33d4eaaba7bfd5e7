#pragma once

#include "lib/ssu/planned_ssu.hpp"

#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ssugraph::detail {

using backend_pointer = std::shared_ptr<const mamba_ssu_backend>;

/** Name of the config that leaves the choice to us. */
inline constexpr const char* automatic = "automatic";

/**
 * The backend called `name`. Throws invalid_argument with the valid names, or unsupported for one
 * that this build lacks, with what brings it.
 */
[[nodiscard]] backend_pointer find_backend(const std::string& name);

/** Every backend of this process: built in, then registered ones, in order. */
[[nodiscard]] std::vector<backend_pointer> all_backends();

/** The backend that a plan of `backend` names; where it names nobody, that one. */
[[nodiscard]] backend_pointer owner_of(const ssu_plan& plan, const backend_pointer& backend);

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
