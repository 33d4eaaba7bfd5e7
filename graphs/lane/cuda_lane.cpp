#include "graphs/lane/lane_engine.hpp"
#include "graphs/lane/parked.hpp"
#include "graphs/layout/bound_memory.hpp"
#include "graphs/layout/lane_memory.hpp"
#include "graphs/record/bucket_graph.hpp"
#include "graphs/record/caller_capture.hpp"
#include "graphs/record/graph_reader.hpp"
#include "graphs/record/graph_recorder.hpp"
#include "graphs/record/prologue_kernel.hpp"
#include "graphs/record/promises_kernel.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/device.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

/** A bucket's graph and its executable. */
struct bucket_entry {
  bucket_graph recorded;
  cuda_graph_exec exec;
  std::int32_t live = 0;  ///< what the executable's prologue counts at present; -1: has to be set
  bool lost = false;      ///< a rebind failed half-way
  double build_ms = 0.0;
  std::size_t estimated_bytes = 0;
};

/** Free bytes of the current device. */
std::size_t free_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free;
}

/** Does `work`, whose time counts as the entry's. */
template <class Work>
void timed(bucket_entry& entry, Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  entry.build_ms +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

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

/** How the work in flight on a lane's stream ends. */
enum class ending : std::uint8_t {
  followed,  ///< the internal stream and the event come behind it
  captured,  ///< not to be told: the stream is being captured
  failed,    ///< CUDA runs nothing any more
};

/** Every call makes a context of the lane's stream current first: a default stream is that of the
 *  current one. */
class cuda_lane final : public lane_engine {
 public:
  cuda_lane(std::shared_ptr<const pipeline_core> core, stream_handle stream, bound_steps steps,
            const stream_place& place)
      : lane_engine{std::move(core), stream, std::move(steps)},
        place_{place},
        internal_{make_stream()},
        arena_{layout_.bytes(), internal_.get()},
        recorder_{std::make_unique<graph_recorder>(*core_, place_)},
        capture_{*core_},
        buckets_(core_->buckets.buckets().size()) {
    ticket_.push_back({core_, make_event()});
    name_stream(internal_.get(), "ssugraph lane");
    if (core_->checked) layout_.report_to(report_.emplace().word());
    layout_.place(arena_.data());
    check_cuda(cudaMemsetAsync(arena_.data(), 0, layout_.bytes(), internal_.get()),
               "cudaMemsetAsync of a lane's memory");
    upload_tables(layout_, internal_.get());
    wait_for_internal();
    recorder_->warm_up(layout_);
    write_random_state({}, internal_.get());
    for (std::size_t index = buckets_.size(); index-- > 0 && !core_->recording.lazy;)
      build(index);
    wait_for_internal();
  }

  ~cuda_lane() override {
    // The internal stream frees the memory, behind whatever the lane's stream still runs. A stream
    // that is being captured cannot be followed: then leaking beats freeing under a replay.
    std::optional<lane_scope> scope;
    const ending end = follow_stream(scope);
    if (end != ending::followed) arena_.leak();
    if (report_ && !(end == ending::followed && has_flown())) report_->leak();
    report_.reset();
    buckets_.clear();
    recorder_.reset();
    arena_.free();
    internal_.reset();
    if (end == ending::captured) ticket_.front().over.reset();
    park(std::move(ticket_));
    release_parked();
  }

  void replay(std::int32_t batch, std::size_t bucket_index) override {
    const context_guard guard{place_.context};
    check_not_capturing(stream_);
    throw_reported();
    bucket_entry& entry = ready(bucket_index);
    if (entry.live != batch) {
      update_prologue(entry.exec.get(), entry.recorded.prologue,
                      layout_.prologue(batch, entry.recorded.bucket), place_.part_context);
      entry.live = batch;
    }
    check_cuda(cudaGraphLaunch(entry.exec.get(), stream_), "cudaGraphLaunch");
  }

  void run_eager(std::int32_t batch, std::size_t bucket_index) override {
    const context_guard guard{place_.context};
    check_not_capturing(stream_);
    throw_reported();
    const bucket_graph& recorded = ready(bucket_index).recorded;
    lower_prologue(layout_.prologue(batch, recorded.bucket)).launch(stream_);
    if (core_->checked) lower_promises(layout_.promise_check()).launch(stream_);
    for (std::size_t step = 0; step < core_->steps.size(); ++step) {
      try {
        for (const step_launch& one : recorded.steps[step].launches)
          launch(one, stream_);
      } catch (const cuda_error& error) {
        throw cuda_error{error, core_->steps[step].name, recorded.bucket};
      }
    }
  }

  void record_prologue(std::size_t bucket_index, const std::int32_t* live,
                       stream_handle stream) override {
    const context_guard guard{place_of(stream, core_->device).context};
    check_live(live);
    throw_reported();
    capture_.record_prologue(layout_, bucket_index, live, stream);
  }

  void record_step(std::size_t step, stream_handle stream) override {
    const context_guard guard{place_of(stream, core_->device).context};
    capture_.record_step(layout_, step, stream);
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
    next.place(arena_.data());
    std::vector<bucket_entry> prepared(buckets_.size());
    for (std::size_t index = 0; index < buckets_.size(); ++index) {
      if (!buckets_[index].exec) continue;
      timed(prepared[index], [&] { prepared[index].recorded = record(next, index); });
    }
    rebound result{std::vector(buckets_.size(), rebind_outcome::unrecorded), {}};
    upload_tables(next, stream_);

    layout_ = std::move(next);
    capture_.forget();
    for (std::size_t index = 0; index < buckets_.size(); ++index) {
      if (!buckets_[index].exec) continue;
      try {
        result.outcomes[index] = go_over(buckets_[index], std::move(prepared[index]));
      } catch (...) {
        buckets_[index].exec.reset();
        buckets_[index].lost = true;
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
    wait_for_internal();
  }

  ssugraph::random_state random_state() override {
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    ssugraph::random_state state;
    check_cuda(
        cudaMemcpyAsync(&state, layout_.random(), sizeof state, cudaMemcpyDeviceToHost, stream_),
        "cudaMemcpyAsync of the random state");
    check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize for the random state");
    release_parked();
    throw_reported();
    return state;
  }

  void set_random_state(ssugraph::random_state state) override {
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    write_random_state(state, stream_);
  }

  void move_to(stream_handle stream) override {
    if (place_of(stream, core_->device) != place_) {
      throw invalid_argument{"stream", "one of the context and multiprocessors that the lane is of",
                             "one of others: make a lane there"};
    }
    const lane_scope scope{place_.context};
    check_not_capturing(stream_);
    check_not_capturing(stream);
    check_cuda(cudaEventRecord(flown(), stream_), "cudaEventRecord");
    check_cuda(cudaStreamWaitEvent(stream, flown(), 0), "cudaStreamWaitEvent");
    stream_ = stream;
  }

  [[nodiscard]] lane_stats stats() const override {
    lane_stats stats;
    stats.lazy_builds = lazy_builds_;
    stats.retries = recorder_->retries();
    stats.own_bytes = layout_.bytes();
    for (std::size_t index = 0; index < buckets_.size(); ++index) {
      const bucket_entry& entry = buckets_[index];
      stats.buckets.push_back({.bucket = core_->buckets.buckets()[index],
                               .replays = 0,
                               .recorded = entry.exec != nullptr,
                               .nodes = node_count(entry),
                               .build_ms = entry.build_ms,
                               .estimated_bytes = entry.estimated_bytes});
    }
    return stats;
  }

  [[nodiscard]] std::vector<described_graph> graphs() const override {
    const lane_scope scope{place_.context};
    std::vector<described_graph> graphs;
    for (const bucket_entry& entry : buckets_) {
      if (entry.exec) graphs.push_back(read_graph(entry.recorded, *core_));
    }
    return graphs;
  }

  double time_replay(std::size_t bucket_index) override {
    const lane_scope scope{place_.context};
    const cuda_event begin = make_timing_event();
    const cuda_event end = make_timing_event();
    check_cuda(cudaEventRecord(begin.get(), stream_), "cudaEventRecord");
    replay(core_->buckets.buckets()[bucket_index], bucket_index);
    check_cuda(cudaEventRecord(end.get(), stream_), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end.get()), "cudaEventSynchronize");
    float milliseconds = 0.0f;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), "cudaEventElapsedTime");
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  void check_not_capturing(stream_handle stream) const {
    if (!is_capturing(stream, core_->device)) return;
    throw invalid_state{stream == stream_ ? "the lane's stream" : "the stream", "is being captured",
                        "record(bucket, live, stream) into a capture, replay outside of one"};
  }

  /** Reached when the work is over that was in flight as it was recorded last. */
  [[nodiscard]] cudaEvent_t flown() const noexcept { return ticket_.front().over.get(); }

  /** Enters `scope`, and puts the internal stream and the event behind the lane's stream. */
  [[nodiscard]] ending follow_stream(std::optional<lane_scope>& scope) noexcept {
    try {
      scope.emplace(place_.context);
      if (is_capturing(stream_, core_->device)) return ending::captured;
      check_cuda(cudaEventRecord(flown(), stream_), "cudaEventRecord");
      check_cuda(cudaStreamWaitEvent(internal_.get(), flown(), 0), "cudaStreamWaitEvent");
      return ending::followed;
    } catch (const std::exception&) {
      return ending::failed;
    }
  }

  /** Waits for what follow_stream saw; false where that failed. */
  [[nodiscard]] bool has_flown() const noexcept {
    if (cudaEventSynchronize(flown()) == cudaSuccess) return true;
    cudaGetLastError();
    return false;
  }

  /** In checked mode: throws what a replay reported meanwhile. */
  void throw_reported() const {
    if (report_) throw_broken(*core_, report_->word());
  }

  void wait_for_internal() const {
    check_cuda(cudaStreamSynchronize(internal_.get()), "cudaStreamSynchronize of a build");
  }

  /** By one copy: all of them are new then, or none is. */
  static void upload_tables(const lane_layout& layout, cudaStream_t stream) {
    const std::vector<std::byte> tables = layout.tables();
    check_cuda(cudaMemcpyAsync(layout.table_address(), tables.data(), tables.size(),
                               cudaMemcpyHostToDevice, stream),
               "cudaMemcpyAsync of a lane's tables");
  }

  void write_random_state(const ssugraph::random_state& state, cudaStream_t stream) const {
    check_cuda(
        cudaMemcpyAsync(layout_.random(), &state, sizeof state, cudaMemcpyHostToDevice, stream),
        "cudaMemcpyAsync of the random state");
  }

  [[nodiscard]] bucket_graph record(const lane_layout& layout, std::size_t index) {
    const std::int32_t bucket = core_->buckets.buckets()[index];
    return recorder_->record(layout, index, layout.prologue(bucket, bucket));
  }

  /** Records, instantiates and uploads a bucket, in place of what it was. */
  void build(std::size_t index) {
    bucket_entry entry;
    timed(entry, [&] {
      entry.recorded = record(layout_, index);
      make_executable(entry, internal_.get());
    });
    check_budget(entry, index);
    buckets_[index] = std::move(entry);
  }

  /** Instantiates what was recorded, and uploads it in the order of `stream`. */
  static void make_executable(bucket_entry& entry, cudaStream_t stream) {
    const std::size_t free_before = free_bytes();
    entry.exec = instantiate(entry.recorded.graph.get());
    check_cuda(cudaGraphUpload(entry.exec.get(), stream), "cudaGraphUpload");
    const std::size_t free_now = free_bytes();
    entry.estimated_bytes = free_before > free_now ? free_before - free_now : 0;
    entry.live = entry.recorded.bucket;
  }

  /** Throws invalid_argument if the lane would be over its budget with `entry` for a bucket. */
  void check_budget(const bucket_entry& entry, std::size_t index) const {
    std::size_t graphs = 1;
    std::size_t bytes = layout_.bytes() + entry.estimated_bytes;
    for (std::size_t other = 0; other < buckets_.size(); ++other) {
      if (other == index || !buckets_[other].exec) continue;
      ++graphs;
      bytes += buckets_[other].estimated_bytes;
    }
    const std::string whose = " for " + std::to_string(graphs) + " of " +
                              std::to_string(buckets_.size()) +
                              " buckets (or fewer buckets or steps)";
    const recording_options& budget = core_->recording;
    if (budget.max_graphs != 0 && graphs > budget.max_graphs) {
      throw invalid_argument{"max_graphs", "at least " + std::to_string(graphs) + whose,
                             std::to_string(budget.max_graphs)};
    }
    if (budget.max_bytes != 0 && bytes > budget.max_bytes) {
      throw invalid_argument{"max_bytes", "at least " + std::to_string(bytes) + whose,
                             std::to_string(budget.max_bytes)};
    }
  }

  /** The entry of a bucket, recorded if this is its first use. */
  bucket_entry& ready(std::size_t index) {
    bucket_entry& entry = buckets_[index];
    if (entry.exec) return entry;
    if (entry.lost) {
      throw invalid_state{"bucket " + std::to_string(entry.recorded.bucket),
                          "was left half-changed by a rebind that failed", "call rebuild(batch)"};
    }
    const relaxed_capture relaxed;
    build(index);
    wait_for_internal();
    ++lazy_builds_;
    return entry;
  }

  /** Brings a bucket to `prepared`, recorded on other addresses. Throws cuda_error. */
  rebind_outcome go_over(bucket_entry& entry, bucket_entry prepared) {
    entry.live = -1;
    bucket_graph& now = entry.recorded;
    bucket_graph& next = prepared.recorded;
    if (!std::ranges::all_of(next.steps, &recorded_step::is_ours))
      return replace(entry, std::move(prepared));
    for (std::size_t step = 0; step < now.steps.size(); ++step) {
      for (std::size_t i = 0; i < now.steps[step].launches.size(); ++i) {
        auto& launch = std::get<kernel_launch>(now.steps[step].launches[i]);
        auto& changed = std::get<kernel_launch>(next.steps[step].launches[i]);
        if (launch == changed) continue;
        changed.update(entry.exec.get(), now.steps[step].nodes[i], place_.part_context);
        changed.update(now.steps[step].nodes[i], place_.part_context);
        launch = std::move(changed);
      }
    }
    return rebind_outcome::updated;
  }

  /** The same by an update of the whole executable, or by a new one. */
  rebind_outcome replace(bucket_entry& entry, bucket_entry prepared) {
    bucket_graph& next = prepared.recorded;
    cudaGraphExecUpdateResultInfo info{};
    if (cudaGraphExecUpdate(entry.exec.get(), next.graph.get(), &info) == cudaSuccess) {
      for (std::size_t step = 0; step < next.steps.size(); ++step) {
        recorded_step& now = entry.recorded.steps[step];
        now.launches = std::move(next.steps[step].launches);
        for (std::size_t i = 0; now.is_ours() && i < now.launches.size(); ++i)
          std::get<kernel_launch>(now.launches[i]).update(now.nodes[i], place_.part_context);
      }
      return rebind_outcome::updated;
    }
    cudaGetLastError();
    timed(prepared, [&] { make_executable(prepared, stream_); });
    entry = std::move(prepared);
    return rebind_outcome::instantiated;
  }

  static std::size_t node_count(const bucket_entry& entry) {
    if (!entry.exec) return 0;
    std::size_t nodes = entry.recorded.promises != nullptr ? 2 : 1;
    for (const recorded_step& step : entry.recorded.steps)
      nodes += step.nodes.size();
    return nodes;
  }

  stream_place place_;
  parking_ticket ticket_;
  cuda_stream internal_;
  std::optional<mapped_report> report_;
  stream_ordered_memory arena_;
  std::unique_ptr<graph_recorder> recorder_;
  caller_capture capture_;
  std::vector<bucket_entry> buckets_;
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
