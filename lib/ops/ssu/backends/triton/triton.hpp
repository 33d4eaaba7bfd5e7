#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"

#include <memory>
#include <string>
#include <vector>

namespace ssugraph::detail::triton {

/** The project's Triton kernels, compiled ahead of time: what the build's manifest names. */
class triton_backend final : public library_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] backend_features features() const override;
  [[nodiscard]] support serves(const ssu_problem& problem) const override;
  /** Algorithms: tiles that the manifest names, ROWSxWARPS; `auto` is the tile table's choice. The
   *  image is loaded on first use and kept. */
  [[nodiscard]] std::shared_ptr<planned_ssu> resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const override;
  /** A plan for every tile. */
  [[nodiscard]] std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const override;
};

}  // namespace ssugraph::detail::triton
