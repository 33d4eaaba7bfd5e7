#include "graphs/plan/partition.hpp"

#include "graphs/plan/bucket_planner.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/device.hpp"
#include "lib/core/log.hpp"

#include <string>
#include <variant>

namespace ssugraph::detail {

std::shared_ptr<const pipeline_core> planned_for(std::shared_ptr<const pipeline_core> core,
                                                 stream_handle stream) {
  const stream_place place = place_of(stream, core->device);
  if (place == core->place) return core;
  const int whole = multiprocessors(core->device);
  const int part = multiprocessors(place);
  if (part == whole) return core;

  const context_guard guard{place.context};
  const relaxed_capture relaxed;
  auto planned = std::make_shared<pipeline_core>(*core);
  planned->place = place;  // what is measured is measured there, too
  for (pipeline_step& step : planned->steps) {
    if (auto* const ours = std::get_if<library_step>(&step.what))
      ours->checked = ours->checked->on_multiprocessors(part);
  }
  log_info("pipeline planned for " + std::to_string(part) + " of " + std::to_string(whole) +
           " multiprocessors" + plan_steps(*planned));
  return planned;
}

}  // namespace ssugraph::detail
