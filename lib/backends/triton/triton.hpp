#pragma once

#include "lib/ssu/kernel_backend.hpp"

#include <string>
#include <vector>

namespace ssugraph::detail {

/** The project's Triton kernels, compiled ahead of time: what the build's manifest names. */
class triton_backend final : public kernel_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] support supports(const ssu_problem& problem) const override;
  /** Algorithms: tiles that the manifest names, ROWSxWARPS; `auto` is the tile table's choice. */
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const override;
  /** A plan for every tile. */
  [[nodiscard]] std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const override;
  /** Loads the image on first use and keeps it. Thread-safe. */
  [[nodiscard]] const void* kernel(const ssu_plan& plan) const override;
  [[nodiscard]] kernel_launch lower(const ssu_plan& plan, const ssu_args& args,
                                    const launch_context& context) const override;
};

}  // namespace ssugraph::detail
