#include "graphs/layout/bound_memory.hpp"

#include "lib/core/allocation.hpp"

#include <string>

namespace ssugraph::detail {

void check_allocations(const pipeline_core& core, const bound_steps& steps) {
  for (std::size_t step = 0; step < steps.size(); ++step) {
    if (!steps[step]) continue;
    const step_traits& traits = steps[step]->traits();
    for (std::size_t i = 0; i < traits.operands.size(); ++i) {
      const tensor_view& tensor = traits.tensors[i];
      if (!tensor || tensor.size() == 0) continue;
      check_allocation(core.steps[step].name + "." + std::string{traits.operands[i].name}, tensor,
                       core.device);
    }
  }
}

}  // namespace ssugraph::detail
