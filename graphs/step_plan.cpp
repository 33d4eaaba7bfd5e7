#include "graphs/step_plan.hpp"

#if SSUGRAPH_CUDA
#include "lib/core/cuda_handle.hpp"
#include "lib/ssu/kernel_backend.hpp"
#endif

#include <utility>

namespace ssugraph::detail {

step_plan executable(ssu_plan plan) {
  step_plan resolved{std::move(plan), nullptr, false};
  resolved.backend = find_backend(resolved.plan.backend);
#if SSUGRAPH_CUDA
  const auto* kernels = dynamic_cast<const kernel_backend*>(resolved.backend.get());
  if (kernels == nullptr) return resolved;
  const device_guard guard{resolved.plan.problem.device.ordinal};
  resolved.overlaps = load_kernel(kernels->kernel(resolved.plan));
#endif
  return resolved;
}

}  // namespace ssugraph::detail
