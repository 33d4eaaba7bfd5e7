#include "graphs/c_api/bindings.hpp"
#include "graphs/c_api/handles.hpp"
#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <string>

using namespace ssugraph;
using namespace ssugraph::c_api;

std::vector<binding> ssugraph::c_api::bindings_of(const ssugraph_binding* given,
                                                  std::size_t count) {
  std::vector<binding> bindings;
  for (const auto& [step, tensor, data] : array("bindings", given, count)) {
    const std::string name = "bindings[" + std::to_string(bindings.size()) + "]";
    bindings.push_back(
        {text((name + ".step").c_str(), step), text((name + ".tensor").c_str(), tensor), data});
  }
  return bindings;
}

ssugraph_status ssugraph_pipeline_destroy(ssugraph_pipeline* pipeline) {
  return guarded([&] { destroy(pipeline); });
}

ssugraph_status ssugraph_pipeline_make_lane(const ssugraph_pipeline* pipeline,
                                            const ssugraph_binding* bindings, size_t binding_count,
                                            ssugraph_stream stream, ssugraph_lane** lane) {
  return guarded([&] {
    hand_out("lane", lane, [&] {
      const auto object = object_of(pipeline);
      return std::make_shared<ssugraph::lane>(
          object->make_lane(stream, bindings_of(bindings, binding_count)));
    });
  });
}

ssugraph_status ssugraph_pipeline_step_count(const ssugraph_pipeline* pipeline, size_t* count) {
  return guarded([&] { output("count", count) = object_of(pipeline)->step_count(); });
}

ssugraph_status ssugraph_pipeline_step_index(const ssugraph_pipeline* pipeline, const char* name,
                                             size_t* index) {
  return guarded([&] {
    const auto object = object_of(pipeline);
    output("index", index) = object->step_index(text("name", name));
  });
}

ssugraph_status ssugraph_pipeline_buckets(const ssugraph_pipeline* pipeline, int32_t* buckets,
                                          size_t capacity, size_t* count) {
  return guarded([&] {
    const auto object = object_of(pipeline);
    write_array("buckets", buckets, capacity, count, [&] { return object->buckets().buckets(); });
  });
}

ssugraph_status ssugraph_pipeline_target(const ssugraph_pipeline* pipeline, int32_t* target) {
  return guarded(
      [&] { output("target", target) = static_cast<std::int32_t>(object_of(pipeline)->where()); });
}

ssugraph_status ssugraph_pipeline_seeds_per_replay(const ssugraph_pipeline* pipeline,
                                                   int64_t* seeds) {
  return guarded([&] { output("seeds", seeds) = object_of(pipeline)->seeds_per_replay(); });
}

ssugraph_status ssugraph_pipeline_lane_bytes(const ssugraph_pipeline* pipeline, uint64_t* bytes) {
  return guarded([&] { output("bytes", bytes) = object_of(pipeline)->lane_bytes(); });
}

ssugraph_status ssugraph_pipeline_plan(const ssugraph_pipeline* pipeline, size_t step,
                                       size_t bucket_index, char* text, size_t capacity,
                                       size_t* length) {
  return guarded([&] {
    const auto object = object_of(pipeline);
    write_text(text, capacity, length, [&] { return to_string(object->plan(step, bucket_index)); });
  });
}

ssugraph_status ssugraph_pipeline_timings(const ssugraph_pipeline* pipeline, size_t step,
                                          size_t bucket_index, char* text, size_t capacity,
                                          size_t* length) {
  return guarded([&] {
    const auto object = object_of(pipeline);
    write_text(text, capacity, length, [&] { return to_table(object->plan(step, bucket_index)); });
  });
}

ssugraph_status ssugraph_pipeline_describe(const ssugraph_pipeline* pipeline, char* text,
                                           size_t capacity, size_t* length) {
  return guarded([&] {
    const auto object = object_of(pipeline);
    write_text(text, capacity, length, [&] { return object->describe(); });
  });
}

ssugraph_status ssugraph_pipeline_describe_json(const ssugraph_pipeline* pipeline, char* text,
                                                size_t capacity, size_t* length) {
  return guarded([&] {
    const auto object = object_of(pipeline);
    write_text(text, capacity, length, [&] { return object->describe_json(); });
  });
}
