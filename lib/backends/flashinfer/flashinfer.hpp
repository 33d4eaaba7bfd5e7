#pragma once

#include <ssugraph/ssu.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace ssugraph::detail {

/**
 * FlashInfer's own kernels, compiled from its headers for the shapes that the build was told. What
 * they cannot do is a reason in `supports`; see README.md beside this.
 */
class flashinfer_backend final : public mamba_ssu_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] support supports(const ssu_problem& problem) const override;
  /** Algorithms: `simple`, `vertical`, `horizontal`; `auto` is FlashInfer's own choice by name. */
  [[nodiscard]] ssu_plan plan(const ssu_problem& problem, std::int64_t sequences,
                              const std::string& algorithm) const override;
  [[nodiscard]] std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const override;
  /** Allocates 8 bytes in stream order where it rounds by `drawn_seed`. */
  void enqueue(const ssu_plan& plan, const ssu_args& args, std::int64_t drawn_seed,
               stream_handle stream) const override;
};

}  // namespace ssugraph::detail
