#include "graphs/record/node_owner.hpp"

#include <algorithm>

namespace ssugraph::detail {

node_owner owner_of(const planned_step& planned, const row_count& rows_of) {
  const auto bytes_of = [&](std::int64_t n) { return planned.bytes(n, rows_of(n)); };
  const std::int64_t bytes = bytes_of(planned.sequences());
  return {.plan = planned.choice().label(),
          .bytes = bytes,
          .bytes_a_sequence = bytes - bytes_of(planned.sequences() - 1)};
}

node_owner owner_of(const pipeline_core& core, std::size_t step, std::size_t bucket_index) {
  const auto at = core.steps.begin() + static_cast<std::ptrdiff_t>(step);
  node_owner owner;
  if (const library_step* ours = at->library()) {
    owner = owner_of(*ours->plans[bucket_index],
                     [&core](std::int64_t sequences) { return core.rows_of(sequences); });
    owner.layer = static_cast<std::int32_t>(
        std::count_if(core.steps.begin(), at, [&](const pipeline_step& before) {
          return before.library() != nullptr &&
                 before.library()->checked->traits().operation == ours->checked->traits().operation;
        }));
  }
  owner.step = at->name;
  return owner;
}

std::vector<owned_node> owned_nodes(const bucket_graph& recorded, const pipeline_core& core) {
  const auto bucket_index = static_cast<std::size_t>(core.buckets.index_for(recorded.bucket));
  std::vector<owned_node> nodes{{recorded.prologue, {.step = "prologue"}}};
  if (recorded.promises != nullptr) nodes.push_back({recorded.promises, {.step = "promises"}});
  for (std::size_t step = 0; step < recorded.steps.size(); ++step) {
    const node_owner owner = owner_of(core, step, bucket_index);
    for (const cudaGraphNode_t node : recorded.steps[step].nodes)
      nodes.push_back({node, owner});
  }
  return nodes;
}

}  // namespace ssugraph::detail
