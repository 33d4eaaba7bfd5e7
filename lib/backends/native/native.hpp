#pragma once

#include "lib/ssu/kernel_backend.hpp"

#include <string>

namespace ssugraph::detail {

/** The library's own CUDA kernels. Serves every problem whose tensors live on a CUDA device. */
class native_backend final : public kernel_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] support supports(const ssu_problem& problem) const override;
  /** Algorithms: `vector` (16-byte accesses along dstate) and `scalar`; `auto` is the first that
   *  the layout allows. */
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const override;
  [[nodiscard]] const void* kernel(const ssu_plan& plan) const override;
  [[nodiscard]] kernel_launch lower(const ssu_plan& plan, const ssu_args& args,
                                    const launch_context& context) const override;
};

}  // namespace ssugraph::detail
