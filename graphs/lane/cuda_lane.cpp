#include "graphs/core/stopwatch.hpp"
#include "graphs/lane/bucket_executable.hpp"
#include "graphs/lane/lane_engine.hpp"
#include "graphs/lane/lane_holdings.hpp"
#include "graphs/lane/parked.hpp"
#include "graphs/layout/bound_memory.hpp"
#include "graphs/layout/footprint.hpp"
#include "graphs/layout/lane_memory.hpp"
#include "graphs/record/bucket_graph.hpp"
#include "graphs/record/caller_capture.hpp"
#include "graphs/record/graph_reader.hpp"
#include "graphs/record/graph_recorder.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/device.hpp"

#include <ssugraph/error.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

/** Throws invalid_argument unless the device can read `live`. */
void check_live(const std::int32_t* live) {
  cudaPointerAttributes attributes{};
  if (live != nullptr)
    check_cuda(cudaPointerGetAttributes(&attributes, live), "cudaPointerGetAttributes");
  if (attributes.devicePointer != nullptr) return;
  throw invalid_argument{"live", "the address of an int32 that the device can read",
                         live == nullptr ? "null" : "pageable host memory"};
}

/** What all but a replay is done in: the lane's context, without harm to captures going on. */
struct lane_scope {
  explicit lane_scope(context_handle context) : guard{context} {}

  context_guard guard;
  relaxed_capture relaxed;
};

/** Every call makes a context of the lane's stream current first: a default stream is that of the
 *  current one. */
class cuda_lane final : public lane_engine {
 public:
  cuda_lane(std::shared_ptr<const pipeline_core> core, stream_handle stream, bound_steps steps,
            const stream_place& place)
      : lane_engine{std::move(core), stream, std::move(steps)},
        place_{place},
        holdings_{std::make_unique<lane_holdings>(core_, layout_.bytes())},
        recorder_{std::make_unique<graph_recorder>(*core_, place_)},
        capture_{*core_},
        buckets_(core_->buckets.buckets().size()) {
    layout_.report_to(holdings_->report());
    layout_.place(holdings_->memory());
    upload_tables(layout_, holdings_->stream());
    wait_for_build();
    recorder_->warm_up(layout_);
    write_random_state(layout_, {}, holdings_->stream());
    for (std::size_t index = buckets_.size(); index-- > 0 && !core_->recording.lazy;)
      build(index);
    wait_for_build();
  }

  ~cuda_lane() override {
    std::optional<lane_scope> scope;
    try_enter(scope, place_.context);
    if (scope) {
      holdings_->end_behind(stream_);
    } else {
      holdings_->leak();
    }
    buckets_.clear();
    recorder_.reset();
    holdings_.reset();
    release_parked();
  }

  void replay(std::int32_t batch, std::size_t bucket_index) override {
    const context_guard guard{place_.context};
    check_not_capturing(stream_);
    throw_reported();
    ready(bucket_index).launch(layout_, batch, stream_);
  }

  void run_eager(std::int32_t batch, std::size_t bucket_index) override {
    const context_guard guard{place_.context};
    check_not_capturing(stream_);
    throw_reported();
    ready(bucket_index).run_eager(layout_, batch, stream_);
  }

  void record_prologue(std::size_t bucket_index, const std::int32_t* live,
                       stream_handle stream) override {
    const context_guard guard{place_of(stream, core_->device).context};
    check_live(live);
    throw_reported();
    capture_.record_prologue(layout_, bucket_index, live, stream);
  }

  void record_step(std::size_t step, std::span<const binding> bindings,
                   stream_handle stream) override {
    const context_guard guard{place_of(stream, core_->device).context};
    capture_.record_step(layout_, step, bindings, stream);
  }

  void record(std::size_t bucket_index, const std::int32_t* live, std::span<const binding> bindings,
              stream_handle stream) override {
    const context_guard guard{place_of(stream, core_->device).context};
    check_live(live);
    throw_reported();
    capture_.record(layout_, bucket_index, live, bindings, stream);
  }

  graph_node_handle add_child_graph(graph_handle graph,
                                    std::span<const graph_node_handle> predecessors,
                                    std::size_t bucket_index, const std::int32_t* live) override {
    const lane_scope scope{place_.context};
    check_live(live);
    throw_reported();
    const std::int32_t bucket = core_->buckets.buckets()[bucket_index];
    const bucket_graph recorded =
        recorder_->record(layout_, bucket_index, layout_.prologue(live, bucket));
    cudaGraphNode_t node = nullptr;
    check_cuda(cudaGraphAddChildGraphNode(&node, graph, predecessors.data(), predecessors.size(),
                                          recorded.graph.get()),
               "cudaGraphAddChildGraphNode");
    return node;
  }

  rebound rebind(bound_steps steps) override {
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    release_parked();
    if (core_->checked) check_allocations(*core_, steps);
    lane_layout next = layout_;
    next.rebind(std::move(steps));
    next.place(holdings_->memory());
    std::vector<bucket_executable> prepared(buckets_.size());
    for (std::size_t index = 0; index < buckets_.size(); ++index) {
      if (buckets_[index].is_ready()) prepared[index] = record(next, index);
    }
    rebound result{std::vector(buckets_.size(), rebind_outcome::unrecorded), {}};
    upload_tables(next, stream_);

    layout_ = std::move(next);
    capture_.forget();
    for (std::size_t index = 0; index < buckets_.size(); ++index) {
      if (!buckets_[index].is_ready()) continue;
      try {
        result.outcomes[index] = buckets_[index].go_over(std::move(prepared[index]), stream_);
      } catch (...) {
        if (!result.failure) result.failure = std::current_exception();
      }
    }
    return result;
  }

  void rebuild(std::size_t bucket_index) override {
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    release_parked();
    build(bucket_index);
    wait_for_build();
  }

  ssugraph::random_state random_state() override {
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    const ssugraph::random_state state = read_random_state(layout_, stream_);
    release_parked();
    throw_reported();
    return state;
  }

  void set_random_state(ssugraph::random_state state) override {
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    write_random_state(layout_, state, stream_);
  }

  void move_to(stream_handle stream) override {
    if (place_of(stream, core_->device) != place_) {
      throw invalid_argument{"stream", "one of the context and multiprocessors that the lane is of",
                             "one of others: make a lane there"};
    }
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    check_not_capturing(stream);
    holdings_->put_behind(stream_, stream);
    stream_ = stream;
  }

  [[nodiscard]] lane_stats stats() const override {
    lane_stats stats;
    stats.lazy_builds = lazy_builds_;
    stats.retries = recorder_->retries();
    stats.own_bytes = layout_.bytes();
    for (std::size_t index = 0; index < buckets_.size(); ++index) {
      stats.buckets.push_back(buckets_[index].stats());
      stats.buckets.back().bucket = core_->buckets.buckets()[index];
    }
    return stats;
  }

  [[nodiscard]] std::vector<described_graph> graphs() const override {
    const lane_scope scope{place_.context};
    std::vector<described_graph> graphs;
    for (const bucket_executable& bucket : buckets_) {
      if (bucket.is_ready()) graphs.push_back(read_graph(bucket.recorded(), *core_));
    }
    return graphs;
  }

  double time_replay(std::size_t bucket_index) override {
    const lane_scope scope{place_.context};
    return stopwatch{stream_}.time_us(
        [&] { replay(core_->buckets.buckets()[bucket_index], bucket_index); });
  }

 private:
  void check_not_capturing(stream_handle stream) const {
    if (!is_capturing(stream, core_->device)) return;
    throw invalid_state{stream == stream_ ? "the lane's stream" : "the stream", "is being captured",
                        "record(bucket, live, stream) into a capture, replay outside of one"};
  }

  /** In checked mode: throws what a replay reported meanwhile. */
  void throw_reported() const {
    if (holdings_->report() != nullptr) throw_if_broken(*core_, holdings_->report());
  }

  void wait_for_build() const {
    check_cuda(cudaStreamSynchronize(holdings_->stream()), "cudaStreamSynchronize of a build");
  }

  /** A bucket on the tensors of `layout`, no executable yet. */
  [[nodiscard]] bucket_executable record(const lane_layout& layout, std::size_t index) {
    return {*recorder_, layout, index};
  }

  /** Makes the executable of a bucket, in place of what it was. */
  void build(std::size_t index) {
    bucket_executable next = record(layout_, index);
    check_budget(core_->recording, layout_.bytes() + bytes_a_lane, buckets_, index, next);
    next.instantiate(holdings_->stream());
    buckets_[index] = std::move(next);
  }

  /** A bucket's executable, built if this is its first use. */
  bucket_executable& ready(std::size_t index) {
    bucket_executable& bucket = buckets_[index];
    if (bucket.is_ready()) return bucket;
    if (bucket.is_lost()) {
      throw invalid_state{"bucket " + std::to_string(core_->buckets.buckets()[index]),
                          "was left half-changed by a rebind that failed", "call rebuild(batch)"};
    }
    const relaxed_capture relaxed;
    build(index);
    wait_for_build();
    ++lazy_builds_;
    return bucket;
  }

  stream_place place_;
  std::unique_ptr<lane_holdings> holdings_;
  std::unique_ptr<graph_recorder> recorder_;
  caller_capture capture_;
  std::vector<bucket_executable> buckets_;
  std::uint64_t lazy_builds_ = 0;
};

}  // namespace

std::unique_ptr<lane_engine> make_cuda_lane(std::shared_ptr<const pipeline_core> core,
                                            stream_handle stream, bound_steps steps) {
  const stream_place place = place_of(stream, core->device);
  const lane_scope scope{place.context};
  release_parked();
  if (core->checked) check_allocations(*core, steps);
  return std::make_unique<cuda_lane>(std::move(core), stream, std::move(steps), place);
}

}  // namespace ssugraph::detail
