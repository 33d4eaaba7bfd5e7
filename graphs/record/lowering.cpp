#include "graphs/record/lowering.hpp"

#include "lib/core/overlap.hpp"
#include "lib/core/reach.hpp"
#include "lib/step/kernel_launches.hpp"

#include <algorithm>
#include <utility>

namespace ssugraph::detail {
namespace {

/** Whether the launches in front leave `tensor` alone. */
bool leave_alone(const launch_front& front, const tensor_view& tensor) {
  const byte_range reach = reach_of(tensor);
  return std::ranges::none_of(front.tensors,
                              [&](const written_tensor& written) {
                                return may_overlap(reach, written.reach) &&
                                       may_overlap(tensor, written.view);
                              }) &&
         std::ranges::none_of(
             front.ranges, [&](const byte_range& written) { return may_overlap(reach, written); });
}

/** Whether they leave all of these operands alone. */
bool leave_alone(const launch_front& front, const bound_tensors& tensors,
                 const operand_set& operands) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (operands[i] && tensors[i] && !leave_alone(front, tensors[i])) return false;
  }
  return true;
}

/** Whether the first launch of a step may be let start early. */
bool may_start_early(const planned_step* planned) {
  const kernel_launches* kernels = planned != nullptr ? planned->kernels() : nullptr;
  return kernels != nullptr && kernels->launches().front().overlaps;
}

/** One launch behind `front`, which becomes what the one behind must know; `next_early`: that one
 *  may be let start early. */
kernel_launch lower_one(const kernel_launches& kernels, std::size_t index,
                        const bound_tensors& tensors, launch_front& front, bool next_early) {
  const planned_launch& planned = kernels.launches()[index];
  const launch_operands& operands = planned.operands;
  launch_context context;
  const bool overlaps = planned.overlaps && front.may_overlap;
  context.state_ahead = overlaps && leave_alone(front, tensors, operands.reads_with_state);
  context.inputs_ahead =
      context.state_ahead && leave_alone(front, tensors, operands.reads_otherwise);
  const bool waits_first = overlaps && !context.state_ahead;
  context.triggers_ahead = !waits_first && next_early && planned.can_trigger_ahead;
  kernel_launch launch = kernels.lower(index, tensors, context);
  launch.set_programmatic(overlaps);

  if (!overlaps || !context.triggers_ahead) front = {};  // it is over when the next one starts
  front.may_overlap = true;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (operands.writes[i]) front.tensors.push_back({tensors[i], reach_of(tensors[i])});
  }
  return launch;
}

}  // namespace

lowered_step lower(const planned_pointer& planned, const bound_tensors& tensors, launch_front front,
                   const planned_step* next) {
  const kernel_launches* kernels = planned->kernels();
  if (kernels == nullptr) return {{foreign_launch{planned, tensors}}, {}};
  lowered_step lowered;
  const auto launches = kernels->launches();
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const bool next_early =
        i + 1 < launches.size() ? launches[i + 1].overlaps : may_start_early(next);
    lowered.launches.emplace_back(lower_one(*kernels, i, tensors, front, next_early));
  }
  lowered.behind = std::move(front);
  return lowered;
}

std::vector<step_launch> lower_in_turn(const planned_pointer& planned,
                                       const bound_tensors& tensors) {
  const kernel_launches* kernels = planned->kernels();
  if (kernels == nullptr) return {foreign_launch{planned, tensors}};
  std::vector<step_launch> launches;
  for (std::size_t i = 0; i < kernels->launches().size(); ++i)
    launches.emplace_back(kernels->lower(i, tensors, {}));
  return launches;
}

void launch(const step_launch& step, stream_handle stream) {
  std::visit([&](const auto& how) { how.launch(stream); }, step);
}

}  // namespace ssugraph::detail
