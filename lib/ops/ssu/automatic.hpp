#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"

namespace ssugraph::detail {

/**
 * Chooses among the backends that serve a problem. `plan` goes by a fixed table
 * (automatic_policy.hpp), so its plans name another backend; `candidates` are what a pipeline
 * measures. Backends that do not zero the `out` of null sequences, or would round by other bits
 * than native, are left out: what a seed gives must not depend on a measurement.
 */
class automatic_backend final : public library_backend {
 public:
  [[nodiscard]] std::string name() const override;
  /** What any backend has. */
  [[nodiscard]] backend_features features() const override;
  [[nodiscard]] support serves(const ssu_problem& problem) const override;
  [[nodiscard]] std::shared_ptr<planned_ssu> resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const override;
  [[nodiscard]] std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const override;
};

}  // namespace ssugraph::detail
