#include "lib/ops/ssu/backends/native/native.hpp"

#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/backends/native/checkpointed.hpp"
#include "lib/ops/ssu/backends/native/choice.hpp"
#include "lib/ops/ssu/backends/native/format.hpp"
#include "lib/ops/ssu/backends/native/kernels.hpp"
#include "lib/ops/ssu/backends/native/params.hpp"
#include "lib/ops/ssu/backends/native/policy.hpp"
#include "lib/ops/ssu/backends/native/ssu_params.hpp"
#include "lib/ops/ssu/backends/ssu_kernel.hpp"
#include "lib/ops/ssu/problem/problem.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace ssugraph::detail::native {
namespace {

template <dtype State, bool Rounding>
const void* kernel_of(const kernel_key& key) {
  if (key.tied) {
    return key.one_token ? find_kernel<State, Rounding, true, true>(key)
                         : find_kernel<State, Rounding, true, false>(key);
  }
  return key.one_token ? find_kernel<State, Rounding, false, true>(key)
                       : find_kernel<State, Rounding, false, false>(key);
}

/** One launch of one of the kernels. */
class native_ssu final : public ssu_kernel {
 public:
  native_ssu(const ssu_problem& problem, std::int64_t sequences, const algorithm_choice& choice)
      : ssu_kernel{describe(problem, sequences, choice),
                   !problem.has_cu_seqlens || problem.max_seqlen <= max_tokens_ahead},
        access_{choice.access},
        kernel_{of_format(problem, [key = key_of(problem, choice)]<dtype State, bool Rounding>() {
          return kernel_of<State, Rounding>(key);
        })} {}

  [[nodiscard]] std::string why_not(const ssu_problem& problem) const override {
    return native::why_not(problem, access_);
  }

 private:
  [[nodiscard]] const void* kernel() const override { return kernel_; }
  [[nodiscard]] kernel_launch lower(const ssu_args& args,
                                    const launch_context& context) const override;

  state_access access_;
  const void* kernel_;
};

kernel_launch native_ssu::lower(const ssu_args& args, const launch_context& context) const {
  const ssu_problem& problem = plan().problem;
  const std::int64_t sequences = launched(context.sequences);
  const ssu_params params = params_of(plan(), args, context, sequences);
  const auto blocks = static_cast<unsigned>(sequences * plan().grid[1] * plan().grid[2]);
  const bool waits_apart =
      !problem.has_cu_seqlens && context.state_ahead && !context.triggers_ahead;
  const int threads = plan().tile.threads + (waits_apart ? waiting_threads : 0);
  return {kernel_, dim3{blocks}, dim3{static_cast<unsigned>(threads)}, params};
}

}  // namespace

std::string native_backend::name() const {
  return "native";
}

backend_features native_backend::features() const {
  return all_features();
}

support native_backend::serves(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {"it runs on CUDA and the tensors live in host memory"};
  if (problem.nheads > max_grid_x / problem.dim) {
    return {"more than 2^31 - 1 rows of dim in all heads"};
  }
  return {};
}

std::shared_ptr<planned_ssu> native_backend::resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const {
  if (problem.checkpoint_interval > 0) return resolve_checkpointed(problem, sequences, algorithm);
  return std::make_shared<native_ssu>(problem, sequences, choose(problem, sequences, algorithm));
}

std::vector<ssu_plan> native_backend::candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const {
  if (problem.checkpoint_interval > 0) return checkpointed_candidates(problem, sequences);
  const algorithm_choice usual = choose(problem, sequences, "auto");
  std::vector<ssu_plan> all{describe(problem, sequences, usual)};
  if (usual.access == state_access::by_element) return all;
  for (const tile_choice& tile : vector_tiles(problem, usual.access)) {
    if (tile != usual.tile) all.push_back(plan(problem, sequences, tile.name()));
  }
  return all;
}

}  // namespace ssugraph::detail::native
