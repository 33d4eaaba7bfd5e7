#pragma once

#include <ssugraph/ssu.hpp>

#include <memory>
#include <string>

namespace ssugraph::detail {

/** The backend called `name`. Throws invalid_argument with the valid names. */
[[nodiscard]] std::shared_ptr<const mamba_ssu_backend> find_backend(const std::string& name);

/**
 * The plan of `problem` by `backend`. Throws unsupported where it does not serve the problem or
 * cannot do `algorithm`.
 */
[[nodiscard]] ssu_plan resolve(const mamba_ssu_backend& backend, const ssu_problem& problem,
                               std::int64_t sequences, const std::string& algorithm);

}  // namespace ssugraph::detail
