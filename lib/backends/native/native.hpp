#pragma once

#include "lib/ssu/kernel_backend.hpp"

#include <string>
#include <vector>

namespace ssugraph::detail {

/** The library's own CUDA kernels. Serves every problem whose tensors live on a CUDA device. */
class native_backend final : public kernel_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] support supports(const ssu_problem& problem) const override;
  /** Algorithms: `scalar`, and for 16-byte accesses along dstate `vector`, which takes the policy's
   *  tile, or that tile by name: rows a thread x threads that hold rows. `auto` is `vector` where
   *  the layout allows it. All tiles give the same bits. */
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const override;
  [[nodiscard]] std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const override;
  [[nodiscard]] const void* kernel(const ssu_plan& plan) const override;
  [[nodiscard]] bool can_trigger_ahead(const ssu_plan& plan) const override;
  [[nodiscard]] kernel_launch lower(const ssu_plan& plan, const ssu_args& args,
                                    const launch_context& context) const override;
};

}  // namespace ssugraph::detail
