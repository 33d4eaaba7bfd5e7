#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ssugraph::detail::flashinfer {

/**
 * FlashInfer's own kernels, compiled from its headers for the shapes that the build was told. What
 * they cannot do is a reason in `supports`; see README.md beside this.
 */
class flashinfer_backend final : public library_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] backend_features features() const override;
  [[nodiscard]] support serves(const ssu_problem& problem) const override;
  /** Algorithms: `simple`, `vertical`, `horizontal`; `auto` is FlashInfer's own choice by name.
   *  Allocates 8 bytes in stream order where it rounds by a drawn seed. */
  [[nodiscard]] std::shared_ptr<planned_ssu> resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const override;
  [[nodiscard]] std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const override;
};

}  // namespace ssugraph::detail::flashinfer
