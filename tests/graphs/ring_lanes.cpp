#include "tests/graphs/ring_lanes.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace ssugraph::test {
namespace {

bucket_policy buckets_of(const ssu_case& test) {
  const auto capacity = static_cast<std::int32_t>(test.capacity);
  return capacity == 1 ? bucket_policy{{1}} : bucket_policy{{capacity / 2, capacity}};
}

/** `args` as a pipeline takes them. */
ssu_args with_one(ring_planner planner, ssu_args args) {
  (planner == ring_planner::prologue ? args.ring_plan : args.ring_cursor) = {};
  return without_seed(args);
}

ring_execution recorded(target where, lane_call call, ring_planner planner) {
  const auto start = [=](const ssu_case& test, std::byte* base, stream_handle stream) {
    pipeline_builder builder{test.config, buckets_of(test), where};
    builder.tuning({.batch_invariant = true});
    builder.ssu("layer", with_one(planner, test.args_at(base)));
    const auto made = std::make_shared<lane>(builder.build().make_lane(stream));
    made->set_random_state(test.random, stream);
    return [=](const ssu_case& now) {
      run(*made, call, static_cast<std::int32_t>(now.batch), stream);
    };
  };
  const std::string name = std::string{where == target::host ? "host" : "native"} +
                           (call == lane_call::replay ? "_replay" : "_run_eager") +
                           (planner == ring_planner::caller ? "_of_plans" : "");
  return {.name = name,
          .where = place_of(where),
          .backend = where == target::host ? "reference" : "native",
          .planner = planner,
          .sequences =
              [](const ssu_case& test) {
                return buckets_of(test).bucket_for(static_cast<std::int32_t>(test.batch));
              },
          .start = start};
}

}  // namespace

ring_execution recorded_rings(target where, lane_call call) {
  return recorded(where, call, ring_planner::prologue);
}

ring_execution recorded_plans(target where, lane_call call) {
  return recorded(where, call, ring_planner::caller);
}

}  // namespace ssugraph::test
