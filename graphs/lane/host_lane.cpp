#include "graphs/lane/lane_engine.hpp"
#include "graphs/layout/arena_cursor.hpp"

#include <ssugraph/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

namespace ssugraph::detail {
namespace {

struct aligned_delete {
  void operator()(std::byte* arena) const noexcept {
    ::operator delete[](arena, std::align_val_t{arena_cursor::alignment});
  }
};

using aligned_arena = std::unique_ptr<std::byte[], aligned_delete>;

/** Runs each step before it returns; replay and run_eager are one. */
class host_lane final : public lane_engine {
 public:
  host_lane(std::shared_ptr<const pipeline_core> core, stream_handle stream, bound_steps steps)
      : lane_engine{std::move(core), stream, std::move(steps)},
        arena_{new (std::align_val_t{arena_cursor::alignment}) std::byte[layout_.bytes()]} {
    layout_.report_to(&broken_);
    layout_.place(arena_.get());
    *layout_.random() = {};
    fill_tables(layout_);
  }

  void replay(std::int32_t batch, std::size_t bucket_index) override {
    throw_if_broken(*core_, &broken_);
    const std::int32_t bucket = core_->buckets.buckets()[bucket_index];
    const prologue_params prologue = layout_.prologue(batch, bucket);
    for (const copy_job& job : layout_.jobs())
      write_copy(prologue, job, alone);
    for (const ring_job& job : layout_.rings())
      write_plan(prologue, job, alone);
    draw_seeds(prologue, alone);
    advance(prologue);
    if (core_->checked) {
      const promise_params promises = layout_.promises(bucket);
      report_first(promises.broken, first_broken(promises.entries, promises.entry_count,
                                                 promises.rows, *promises.sequences, alone));
    }
    for (std::size_t step = 0; step < core_->steps.size(); ++step)
      run(step, bucket_index, bucket);
  }

  void run_eager(std::int32_t batch, std::size_t bucket_index) override {
    replay(batch, bucket_index);
  }

  void record_prologue(std::size_t, const std::int32_t*, stream_handle) override { refuse(); }
  void record_step(std::size_t, std::span<const binding>, stream_handle) override { refuse(); }
  void record(std::size_t, const std::int32_t*, std::span<const binding>, stream_handle) override {
    refuse();
  }
  graph_node_handle add_child_graph(graph_handle, std::span<const graph_node_handle>, std::size_t,
                                    const std::int32_t*) override {
    refuse();
  }

  rebound rebind(bound_steps steps) override {
    lane_layout next = layout_;
    next.rebind(std::move(steps));
    next.place(arena_.get());
    rebound result{std::vector(core_->buckets.buckets().size(), rebind_outcome::updated), {}};
    fill_tables(next);
    layout_ = std::move(next);
    return result;
  }
  void rebuild(std::size_t) override {}

  ssugraph::random_state random_state() override {
    throw_if_broken(*core_, &broken_);
    return *layout_.random();
  }
  void set_random_state(ssugraph::random_state state) override { *layout_.random() = state; }
  void move_to(stream_handle stream) override { stream_ = stream; }

  [[nodiscard]] lane_stats stats() const override {
    lane_stats stats;
    stats.own_bytes = layout_.bytes();
    for (const std::int32_t bucket : core_->buckets.buckets())
      stats.buckets.push_back({.bucket = bucket, .recorded = true});
    return stats;
  }

  [[nodiscard]] std::vector<described_graph> graphs() const override { return {}; }

  double time_replay(std::size_t bucket_index) override {
    const auto start = std::chrono::steady_clock::now();
    replay(core_->buckets.buckets()[bucket_index], bucket_index);
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
        .count();
  }

 private:
  [[noreturn]] static void refuse() {
    throw invalid_state{"the lane", "is of a host pipeline, which has no graphs", "call replay"};
  }

  static void fill_tables(const lane_layout& layout) {
    const std::vector<std::byte> tables = layout.tables();
    std::memcpy(layout.table_address(), tables.data(), tables.size());
  }

  void run(std::size_t step, std::size_t bucket_index, std::int32_t bucket) {
    if (const custom_step* custom = core_->steps[step].custom()) {
      return custom->enqueue(layout_.context(step, bucket), stream_);
    }
    core_->steps[step].library()->plans[bucket_index]->enqueue(layout_.step_tensors(step, bucket),
                                                               stream_);
  }

  aligned_arena arena_;
  broken_promise broken_ = none_broken;
};

}  // namespace

std::unique_ptr<lane_engine> make_host_lane(std::shared_ptr<const pipeline_core> core,
                                            stream_handle stream, bound_steps steps) {
  return std::make_unique<host_lane>(std::move(core), stream, std::move(steps));
}

}  // namespace ssugraph::detail
