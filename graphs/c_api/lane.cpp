#include "graphs/c_api/bindings.hpp"
#include "graphs/c_api/handles.hpp"
#include "graphs/c_api/status.hpp"
#include "graphs/c_api/values.hpp"

#include <string>
#include <vector>

using namespace ssugraph;
using namespace ssugraph::c_api;

ssugraph_status ssugraph_lane_destroy(ssugraph_lane* lane) {
  return guarded([&] { destroy(lane); });
}

ssugraph_status ssugraph_lane_replay(ssugraph_lane* lane, int32_t batch, ssugraph_stream stream) {
  return guarded([&] { object_of(lane)->replay(batch, stream); });
}

ssugraph_status ssugraph_lane_run_eager(ssugraph_lane* lane, int32_t batch,
                                        ssugraph_stream stream) {
  return guarded([&] { object_of(lane)->run_eager(batch, stream); });
}

ssugraph_status ssugraph_lane_record_prologue(ssugraph_lane* lane, int32_t bucket,
                                              const int32_t* live, ssugraph_stream stream) {
  return guarded([&] { object_of(lane)->record_prologue(bucket, live, stream); });
}

ssugraph_status ssugraph_lane_record_step(ssugraph_lane* lane, size_t step,
                                          ssugraph_stream stream) {
  return guarded([&] { object_of(lane)->record_step(step, stream); });
}

ssugraph_status ssugraph_lane_record(ssugraph_lane* lane, int32_t bucket, const int32_t* live,
                                     ssugraph_stream stream) {
  return guarded([&] { object_of(lane)->record(bucket, live, stream); });
}

ssugraph_status ssugraph_lane_record_step_bound(ssugraph_lane* lane, size_t step,
                                                const ssugraph_binding* bindings,
                                                size_t binding_count, ssugraph_stream stream) {
  return guarded(
      [&] { object_of(lane)->record_step(step, stream, bindings_of(bindings, binding_count)); });
}

ssugraph_status ssugraph_lane_record_bound(ssugraph_lane* lane, int32_t bucket, const int32_t* live,
                                           const ssugraph_binding* bindings, size_t binding_count,
                                           ssugraph_stream stream) {
  return guarded(
      [&] { object_of(lane)->record(bucket, live, stream, bindings_of(bindings, binding_count)); });
}

ssugraph_status ssugraph_lane_add_child_graph(ssugraph_lane* lane, ssugraph_graph graph,
                                              const ssugraph_graph_node* predecessors,
                                              size_t predecessor_count, int32_t bucket,
                                              const int32_t* live, ssugraph_graph_node* node) {
  return guarded([&] {
    const auto object = object_of(lane);
    auto& added = output("node", node);
    const auto behind = array("predecessors", predecessors, predecessor_count);
    added = object->add_child_graph(graph, behind, bucket, live);
  });
}

ssugraph_status ssugraph_lane_rebind(ssugraph_lane* lane, const ssugraph_binding* bindings,
                                     size_t binding_count, int32_t* outcomes, size_t capacity,
                                     size_t* count) {
  return guarded([&] {
    const auto object = object_of(lane);
    write_array("outcomes", outcomes, capacity, count,
                [&] { return object->rebind(bindings_of(bindings, binding_count)); });
  });
}

ssugraph_status ssugraph_lane_rebuild(ssugraph_lane* lane, int32_t batch) {
  return guarded([&] { object_of(lane)->rebuild(batch); });
}

ssugraph_status ssugraph_lane_random_state(ssugraph_lane* lane, ssugraph_random_state* state) {
  return guarded([&] {
    const auto object = object_of(lane);
    auto& to = output("state", state);
    const random_state now = object->random_state();
    to = {now.seed, now.next_draw};
  });
}

ssugraph_status ssugraph_lane_set_random_state(ssugraph_lane* lane, ssugraph_random_state state,
                                               ssugraph_stream stream) {
  return guarded([&] { object_of(lane)->set_random_state({state.seed, state.next_draw}, stream); });
}

ssugraph_status ssugraph_lane_move_to(ssugraph_lane* lane, ssugraph_stream stream) {
  return guarded([&] { object_of(lane)->move_to(stream); });
}

ssugraph_status ssugraph_lane_stream(const ssugraph_lane* lane, ssugraph_stream* stream) {
  return guarded([&] { output("stream", stream) = object_of(lane)->stream(); });
}

ssugraph_status ssugraph_lane_get_stats(const ssugraph_lane* lane, ssugraph_lane_stats* stats) {
  return guarded([&] {
    const lane_stats found = object_of(lane)->stats();
    ssugraph_lane_stats known{};
    known.replays = found.replays;
    known.padded_sequences = found.padded_sequences;
    known.moved_bytes = found.moved_bytes;
    known.lazy_builds = found.lazy_builds;
    known.retries = found.retries;
    known.own_bytes = found.own_bytes;
    known.bucket_count = found.buckets.size();
    write_struct("stats", stats, &known, sizeof known);
  });
}

ssugraph_status ssugraph_lane_get_bucket_stats(const ssugraph_lane* lane, size_t bucket_index,
                                               ssugraph_bucket_stats* stats) {
  return guarded([&] {
    const std::vector<bucket_stats> all = object_of(lane)->stats().buckets;
    if (bucket_index >= all.size()) {
      throw invalid_argument{"bucket_index", "0 to " + std::to_string(all.size() - 1),
                             std::to_string(bucket_index)};
    }
    const bucket_stats& found = all[bucket_index];
    ssugraph_bucket_stats known{};
    known.replays = found.replays;
    known.moved_bytes = found.moved_bytes;
    known.nodes = found.nodes;
    known.estimated_bytes = found.estimated_bytes;
    known.build_ms = found.build_ms;
    known.bucket = found.bucket;
    known.recorded = found.recorded ? 1 : 0;
    write_struct("stats", stats, &known, sizeof known);
  });
}

ssugraph_status ssugraph_lane_batch_histogram(const ssugraph_lane* lane, uint64_t* histogram,
                                              size_t capacity, size_t* count) {
  return guarded([&] {
    const auto object = object_of(lane);
    write_array("histogram", histogram, capacity, count, [&] { return object->batch_histogram(); });
  });
}

ssugraph_status ssugraph_lane_describe_json(const ssugraph_lane* lane, char* text, size_t capacity,
                                            size_t* length) {
  return guarded([&] {
    const auto object = object_of(lane);
    write_text(text, capacity, length, [&] { return object->describe_json(); });
  });
}

ssugraph_status ssugraph_lane_dot(const ssugraph_lane* lane, int32_t bucket, char* text,
                                  size_t capacity, size_t* length) {
  return guarded([&] {
    const auto object = object_of(lane);
    write_text(text, capacity, length, [&] { return object->dot(bucket); });
  });
}

ssugraph_status ssugraph_lane_time_buckets(ssugraph_lane* lane, int32_t rounds,
                                           ssugraph_bucket_time* times, size_t capacity,
                                           size_t* count, ssugraph_stream stream) {
  return guarded([&] {
    const auto object = object_of(lane);
    write_array("times", times, capacity, count, [&] {
      std::vector<ssugraph_bucket_time> measured;
      for (const auto& [bucket, microseconds] : object->time_buckets(rounds, stream))
        measured.push_back({bucket, microseconds});
      return measured;
    });
  });
}
