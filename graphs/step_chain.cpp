#include "graphs/step_chain.hpp"

#include "lib/core/overlap.hpp"
#include "lib/ssu/kernel_backend.hpp"
#include "lib/ssu/tensors.hpp"

#include <algorithm>

namespace ssugraph::detail {
namespace {

const kernel_backend* as_kernel(const step_plan& planned) {
  return dynamic_cast<const kernel_backend*>(planned.backend.get());
}

/** Whether a launch in front that writes `front` leaves `tensor` alone. */
bool leaves_alone(const launch_front& front, const tensor_view& tensor) {
  const auto apart = [&](const auto& written) { return !may_overlap(tensor, written); };
  return std::ranges::all_of(front.tensors, apart) && std::ranges::all_of(front.ranges, apart);
}

/** What a launch reads with its state: the slots, counts and seed that say which and how. */
constexpr bool comes_with_state(const tensor_field& field) {
  return field.leading == leading_axis::slots || field.leading == leading_axis::sequences ||
         field.leading == leading_axis::boundaries || field.member == &ssu_args::rand_seed;
}

/** Whether it leaves alone all that is read: `state_alone` asks of the state alone and what comes
 * with it. */
bool leaves_alone(const launch_front& front, const ssu_args& args, bool state_alone) {
  return std::ranges::all_of(tensor_fields, [&](const tensor_field& field) {
    const bool asked = state_alone ? comes_with_state(field) : field.member != &ssu_args::out;
    return !asked || leaves_alone(front, args.*field.member);
  });
}

bool may_start_early(const step_plan& planned) {
  return as_kernel(planned) != nullptr && planned.overlaps;
}

}  // namespace

lowered_step lower(const step_plan& planned, const ssu_args& args, const launch_front& front,
                   const step_plan* next) {
  const kernel_backend* backend = as_kernel(planned);
  if (backend == nullptr) return {foreign_launch{planned.backend, planned.plan, args}, {}};
  launch_context context;
  const bool overlaps = planned.overlaps && front.may_overlap;
  context.state_ahead = overlaps && leaves_alone(front, args, true);
  context.inputs_ahead = overlaps && leaves_alone(front, args, false);
  const bool waits_first = overlaps && !context.state_ahead;
  context.triggers_ahead = !waits_first && next != nullptr && may_start_early(*next);
  kernel_launch launch = backend->lower(planned.plan, args, context);
  launch.set_programmatic(overlaps);

  launch_front behind;
  if (context.triggers_ahead) behind = front;
  behind.may_overlap = true;
  behind.tensors.insert(behind.tensors.end(), {args.state, args.out});
  return {std::move(launch), std::move(behind)};
}

std::vector<step_launch> lower_chain(std::span<const chain_link> links) {
  std::vector<step_launch> launches;
  launch_front front;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const step_plan* next = i + 1 < links.size() ? links[i + 1].planned : nullptr;
    auto [launch, behind] = lower(*links[i].planned, links[i].args, front, next);
    launches.push_back(std::move(launch));
    front = std::move(behind);
  }
  return launches;
}

void launch(const step_launch& step, stream_handle stream) {
  std::visit([&](const auto& how) { how.launch(stream); }, step);
}

}  // namespace ssugraph::detail
