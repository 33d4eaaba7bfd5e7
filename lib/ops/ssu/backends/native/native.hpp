#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"

#include <memory>
#include <string>
#include <vector>

namespace ssugraph::detail::native {

/** The library's own CUDA kernels. Serves every problem whose tensors live on a CUDA device. */
class native_backend final : public library_backend {
 public:
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] backend_features features() const override;
  [[nodiscard]] support serves(const ssu_problem& problem) const override;
  /** Algorithms: `scalar`, and for 16-byte accesses along dstate `vector`, which takes the policy's
   *  tile, or that tile by name: rows a thread x threads that hold rows. `auto` is `vector` where
   *  the layout allows it. All tiles give the same bits. */
  [[nodiscard]] std::shared_ptr<planned_ssu> resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const override;
  [[nodiscard]] std::vector<ssu_plan> candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const override;
};

}  // namespace ssugraph::detail::native
