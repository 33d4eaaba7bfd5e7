#pragma once

#include "lib/ops/ssu/find_backend.hpp"
#include "lib/ops/ssu/registry.hpp"

#include <ssugraph/backend.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace ssugraph::test {

/** Native under another name, of which a pipeline knows no more than of any user's. */
class disguised_backend : public mamba_ssu_backend {
 public:
  std::string name() const override { return "disguised"; }
  support supports(const ssu_problem& problem) const override { return native_->supports(problem); }
  ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                const std::string& algorithm) const override {
    ssu_plan plan = native_->plan(problem, sequences, algorithm);
    plan.backend = name();
    return plan;
  }
  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
               stream_handle stream) const override {
    native_->enqueue(plan, args, drawn_seed, stream);
  }

 private:
  detail::backend_pointer native_ = detail::find_backend("native");
};

/** Its name, registered. */
[[nodiscard]] inline const std::string& disguised() {
  static const std::string name = [] {
    register_mamba_ssu_backend(std::make_shared<disguised_backend>());
    return std::string{"disguised"};
  }();
  return name;
}

}  // namespace ssugraph::test
