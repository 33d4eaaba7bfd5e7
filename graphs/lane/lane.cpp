#include "graphs/core/median.hpp"
#include "graphs/lane/lane_engine.hpp"
#include "graphs/layout/bindings.hpp"

#include <ssugraph/binding.hpp>
#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/cache_view.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/lane_stats.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/suggest_buckets.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <string>
#include <utility>

namespace ssugraph {

namespace {

/** The place of `bucket`, which must be one of the policy's. */
std::size_t exact_bucket(const bucket_policy& policy, std::int32_t bucket) {
  const auto found = std::ranges::find(policy.buckets(), bucket);
  if (found != policy.buckets().end())
    return static_cast<std::size_t>(found - policy.buckets().begin());
  std::string all;
  for (const std::int32_t one : policy.buckets())
    all += (all.empty() ? "" : ", ") + std::to_string(one);
  throw invalid_argument{"bucket", "one of the pipeline's buckets " + all, std::to_string(bucket)};
}

/** The median time of some replays of a full bucket. */
double median_us(detail::lane_engine& engine, std::size_t bucket_index, int rounds) {
  static_cast<void>(engine.time_replay(bucket_index));  // the first run warms up
  std::vector<double> rounds_us;
  rounds_us.reserve(static_cast<std::size_t>(rounds));
  for (int round = 0; round < rounds; ++round)
    rounds_us.push_back(engine.time_replay(bucket_index));
  return detail::median(std::move(rounds_us));
}

/** All bytes that the library's steps of a replay of `batch` sequences must move. */
std::uint64_t bytes_of(const detail::pipeline_core& core, std::int32_t batch) {
  const auto bucket = static_cast<std::size_t>(core.buckets.index_for(batch));
  std::int64_t bytes = 0;
  for (const detail::pipeline_step& step : core.steps) {
    if (const detail::library_step* ours = step.library())
      bytes += ours->plans[bucket]->bytes(batch, core.rows_of(batch));
  }
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace

/** An engine with its entry among the pipeline's live lanes and its one-user flag. */
struct lane::resident {
  std::unique_ptr<detail::lane_engine> engine;
  std::atomic<bool> in_use = false;
  std::vector<std::uint64_t> replays;  ///< by batch

  explicit resident(std::unique_ptr<detail::lane_engine> given)
      : engine{std::move(given)},
        replays(static_cast<std::size_t>(engine->core().buckets.max_batch()) + 1) {
    enter(engine->stream(), engine->layout().steps(), [] {});
  }
  /** Enters the pipeline's live lanes, or changes the entry there once `change` has run. */
  void enter(stream_handle stream, const detail::bound_steps& steps,
             const std::function<void()>& change) {
    const detail::pipeline_core& core = engine->core();
    core.lanes->enter(this, stream, detail::row_tensors(core, steps), change);
  }
  resident(const resident&) = delete;
  resident& operator=(const resident&) = delete;
  ~resident() { engine->core().lanes->leave(this); }
};

/** Exclusive use of a lane for the length of one call. */
class lane::visit {
 public:
  explicit visit(const std::unique_ptr<resident>& owner) {
    if (!owner) throw invalid_state{"the lane", "was moved from", "use the lane it moved to"};
    if (owner->in_use.exchange(true, std::memory_order_acquire)) {
      throw invalid_state{"the lane", "is in use by another thread", "make a lane a thread"};
    }
    resident_ = owner.get();
  }

  visit(const std::unique_ptr<resident>& owner, stream_handle stream) : visit{owner} {
    if (stream == engine().stream()) return;
    throw invalid_state{"the lane", "belongs to another stream", "call move_to(stream) first"};
  }

  visit(const visit&) = delete;
  visit& operator=(const visit&) = delete;
  ~visit() { resident_->in_use.store(false, std::memory_order_release); }

  [[nodiscard]] detail::lane_engine& engine() const noexcept { return *resident_->engine; }
  [[nodiscard]] resident& owner() const noexcept { return *resident_; }

 private:
  resident* resident_ = nullptr;
};

lane::lane(std::unique_ptr<detail::lane_engine> engine)
    : resident_{std::make_unique<resident>(std::move(engine))} {}

lane::lane(lane&&) noexcept = default;
lane& lane::operator=(lane&&) noexcept = default;
lane::~lane() = default;

void lane::run(way how, std::int32_t batch, stream_handle stream) {
  const visit visit{resident_, stream};
  if (batch < 0) throw invalid_argument{"batch", "0 or more", std::to_string(batch)};
  if (batch == 0) return;
  const detail::pipeline_core& core = visit.engine().core();
  const auto bucket = static_cast<std::size_t>(core.buckets.index_for(batch));
  const bool replayed = how == way::replayed;
  const detail::nvtx_range range{
      replayed ? detail::nvtx_category::replay : detail::nvtx_category::eager,
      replayed ? core.ranges[bucket].replay : core.ranges[bucket].run_eager, batch};
  if (replayed) {
    visit.engine().replay(batch, bucket);
    ++visit.owner().replays[static_cast<std::size_t>(batch)];
  } else {
    visit.engine().run_eager(batch, bucket);
  }
}

void lane::replay(std::int32_t batch, stream_handle stream) {
  run(way::replayed, batch, stream);
}

void lane::run_eager(std::int32_t batch, stream_handle stream) {
  run(way::eager, batch, stream);
}

void lane::record_prologue(std::int32_t bucket, const std::int32_t* live, stream_handle stream) {
  const visit visit{resident_};
  visit.engine().record_prologue(exact_bucket(visit.engine().core().buckets, bucket), live, stream);
}

void lane::record_step(std::size_t step, stream_handle stream, std::span<const binding> bindings) {
  visit{resident_}.engine().record_step(step, bindings, stream);
}

void lane::record(std::int32_t bucket, const std::int32_t* live, stream_handle stream,
                  std::span<const binding> bindings) {
  const visit visit{resident_};
  visit.engine().record(exact_bucket(visit.engine().core().buckets, bucket), live, bindings,
                        stream);
}

graph_node_handle lane::add_child_graph(graph_handle graph,
                                        std::span<const graph_node_handle> predecessors,
                                        std::int32_t bucket, const std::int32_t* live) {
  const visit visit{resident_};
  if (graph == nullptr) throw invalid_argument{"graph", "a CUDA graph", "null"};
  return visit.engine().add_child_graph(graph, predecessors,
                                        exact_bucket(visit.engine().core().buckets, bucket), live);
}

std::vector<rebind_outcome> lane::rebind(std::span<const binding> bindings) {
  const visit visit{resident_};
  detail::lane_engine& engine = visit.engine();
  const detail::bound_steps steps = detail::bind(engine.core(), engine.layout().steps(), bindings);
  detail::rebound result;
  visit.owner().enter(engine.stream(), steps, [&] { result = engine.rebind(steps); });
  if (result.failure) std::rethrow_exception(result.failure);
  return std::move(result.outcomes);
}

void lane::rebuild(std::int32_t batch) {
  const visit visit{resident_};
  visit.engine().rebuild(static_cast<std::size_t>(visit.engine().core().buckets.index_for(batch)));
}

random_state lane::random_state() {
  return visit{resident_}.engine().random_state();
}

void lane::set_random_state(ssugraph::random_state state, stream_handle stream) {
  visit{resident_, stream}.engine().set_random_state(state);
}

void lane::move_to(stream_handle stream) {
  const visit visit{resident_};
  detail::lane_engine& engine = visit.engine();
  visit.owner().enter(stream, engine.layout().steps(), [&] { engine.move_to(stream); });
}

stream_handle lane::stream() const {
  return visit{resident_}.engine().stream();
}

std::vector<cache_view> lane::caches() const {
  const visit visit{resident_};
  return detail::caches_of(visit.engine().layout().steps());
}

lane_stats lane::stats() const {
  const visit visit{resident_};
  lane_stats stats = visit.engine().stats();
  const std::vector<std::uint64_t>& replays = visit.owner().replays;
  for (std::int32_t batch = 1; std::cmp_less(batch, replays.size()); ++batch) {
    const std::uint64_t count = replays[static_cast<std::size_t>(batch)];
    const auto index = visit.engine().core().buckets.index_for(batch);
    bucket_stats& bucket = stats.buckets[static_cast<std::size_t>(index)];
    bucket.replays += count;
    stats.replays += count;
    stats.padded_sequences += count * static_cast<std::uint64_t>(bucket.bucket - batch);
    if (count > 0) bucket.moved_bytes += count * bytes_of(visit.engine().core(), batch);
  }
  for (const bucket_stats& bucket : stats.buckets)
    stats.moved_bytes += bucket.moved_bytes;
  return stats;
}

std::vector<std::uint64_t> lane::batch_histogram() const {
  return visit{resident_}.owner().replays;
}

std::string lane::describe_json() const {
  const visit visit{resident_};
  const detail::lane_engine& engine = visit.engine();
  return detail::to_json(engine.core(), engine.graphs(), engine.layout().bytes());
}

std::string lane::dot(std::int32_t bucket) const {
  const visit visit{resident_};
  static_cast<void>(exact_bucket(visit.engine().core().buckets, bucket));
  for (const detail::described_graph& graph : visit.engine().graphs()) {
    if (graph.bucket == bucket) return detail::to_dot(graph);
  }
  throw invalid_state{"bucket " + std::to_string(bucket), "has no graph",
                      "replay it first (a host pipeline has none)"};
}

std::vector<bucket_time> lane::time_buckets(int rounds, stream_handle stream) {
  const visit visit{resident_, stream};
  if (rounds < 1) throw invalid_argument{"rounds", "1 or more", std::to_string(rounds)};
  const detail::nvtx_range range{detail::nvtx_category::tune, detail::nvtx_name{"time_buckets"},
                                 rounds};
  detail::lane_engine& engine = visit.engine();
  const ssugraph::random_state before = engine.random_state();
  std::vector<bucket_time> times;
  try {
    for (const std::int32_t bucket : engine.core().buckets.buckets())
      times.push_back({bucket, median_us(engine, times.size(), rounds)});
  } catch (...) {
    engine.set_random_state(before);
    throw;
  }
  engine.set_random_state(before);
  return times;
}

}  // namespace ssugraph
