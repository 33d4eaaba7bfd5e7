#pragma once

#include <ssugraph/ssu.hpp>

#include <string>

namespace ssugraph::detail {

/** The equation on the CPU, plainly. Serves every problem whose tensors live in host memory. */
class reference_backend final : public mamba_ssu_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] support supports(const ssu_problem& problem) const override;
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const override;
  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
               stream_handle stream) const override;
};

}  // namespace ssugraph::detail
