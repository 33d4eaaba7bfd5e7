#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"

#include <memory>
#include <string>

namespace ssugraph::detail::reference {

/** The equation on the CPU, plainly. Serves every problem whose tensors live in host memory. */
class reference_backend final : public library_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] backend_features features() const override;
  [[nodiscard]] support serves(const ssu_problem& problem) const override;
  [[nodiscard]] std::shared_ptr<planned_ssu> resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const override;
};

}  // namespace ssugraph::detail::reference
