#include "graphs/step_chain.hpp"

#include "lib/core/overlap.hpp"
#include "lib/ssu/kernel_backend.hpp"
#include "lib/ssu/tensors.hpp"

#include <algorithm>
#include <functional>

namespace ssugraph::detail {
namespace {

const kernel_backend* as_kernel(const step_plan& planned) {
  return dynamic_cast<const kernel_backend*>(planned.backend.get());
}

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

/** What a launch reads with its state: the slots, counts and seed that say which and how. */
constexpr bool comes_with_state(const tensor_field& field) {
  return field.leading == leading_axis::slots || field.leading == leading_axis::sequences ||
         field.leading == leading_axis::boundaries || field.member == &ssu_args::rand_seed;
}

/** Whether they leave alone those of the tensors that a launch reads of which `asked` is true. */
template <class Predicate>
bool leave_alone(const launch_front& front, const ssu_args& args, Predicate asked) {
  return std::ranges::all_of(tensor_fields, [&](const tensor_field& field) {
    return field.member == &ssu_args::out || !asked(field) ||
           leave_alone(front, args.*field.member);
  });
}

bool may_start_early(const step_plan& planned) {
  return as_kernel(planned) != nullptr && planned.overlaps;
}

}  // namespace

lowered_step lower(const step_plan& planned, const ssu_args& args, launch_front front,
                   const step_plan* next) {
  const kernel_backend* backend = as_kernel(planned);
  if (backend == nullptr) return {foreign_launch{planned.backend, planned.plan, args}, {}};
  launch_context context;
  const bool overlaps = planned.overlaps && front.may_overlap;
  context.state_ahead = overlaps && leave_alone(front, args, comes_with_state);
  context.inputs_ahead =
      context.state_ahead && leave_alone(front, args, std::not_fn(comes_with_state));
  const bool waits_first = overlaps && !context.state_ahead;
  context.triggers_ahead = !waits_first && next != nullptr && may_start_early(*next) &&
                           backend->can_trigger_ahead(planned.plan);
  kernel_launch launch = backend->lower(planned.plan, args, context);
  launch.set_programmatic(overlaps);

  if (!overlaps || !context.triggers_ahead) front = {};  // it is over when the next one starts
  front.may_overlap = true;
  for (const tensor_view& written : {args.state, args.out})
    front.tensors.push_back({written, reach_of(written)});
  return {std::move(launch), std::move(front)};
}

std::vector<step_launch> lower_chain(std::span<const chain_link> links, bool back_to_back) {
  std::vector<step_launch> launches;
  launch_front front;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const bool has_next = back_to_back && i + 1 < links.size();
    const step_plan* next = has_next ? links[i + 1].planned : nullptr;
    auto [launch, behind] = lower(*links[i].planned, links[i].args, std::move(front), next);
    launches.push_back(std::move(launch));
    front = std::move(behind);
  }
  return launches;
}

void launch(const step_launch& step, stream_handle stream) {
  std::visit([&](const auto& how) { how.launch(stream); }, step);
}

}  // namespace ssugraph::detail
