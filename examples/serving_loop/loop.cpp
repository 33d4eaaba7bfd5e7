#include "loop.hpp"

#include "progress.hpp"

#include <ssugraph/pipeline_builder.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <numeric>
#include <random>

namespace serving_loop {
namespace {

ssugraph::pipeline build_pipeline(const workload& work, const serving_options& options) {
  ssugraph::pipeline_builder builder{
      options.config, ssugraph::bucket_policy::serving(options.shape.max_batch), options.where};
  for (std::int32_t layer = 0; layer < options.shape.model.layers; ++layer) {
    builder.ssu(fmt::format("layer {}", layer), work.args(layer));
  }
  return builder.build();
}

/** The numbers of `count` requests, or of all if there are fewer; a pure function of the seed. */
std::vector<std::int32_t> sample(const trace& requests, std::size_t count, std::uint64_t seed) {
  std::vector<std::int32_t> all(requests.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::int32_t> chosen;
  std::ranges::sample(all, std::back_inserter(chosen), std::ptrdiff_t(count),
                      std::mt19937_64{seed});
  return chosen;
}

/** Counts the replays of each bucket. */
class bucket_histogram {
 public:
  explicit bucket_histogram(const ssugraph::pipeline& pipeline)
      : pipeline_{&pipeline}, buckets_{&pipeline.buckets()}, replays_(buckets_->buckets().size()) {}

  void add(std::int32_t batch) {
    ++replays_[buckets_->index_for(batch)];
    padded_ += buckets_->bucket_for(batch) - batch;
  }

  [[nodiscard]] std::int64_t padded_sequences() const { return padded_; }

  [[nodiscard]] std::vector<bucket_count> used() const {
    std::vector<bucket_count> result;
    for (std::size_t i = 0; i < replays_.size(); ++i) {
      const ssugraph::ssu_plan& plan = pipeline_->plan(0, i);
      if (replays_[i] == 0) continue;
      result.push_back({buckets_->buckets()[i], replays_[i], plan.backend, plan.algorithm});
    }
    return result;
  }

 private:
  const ssugraph::pipeline* pipeline_;
  const ssugraph::bucket_policy* buckets_;
  std::vector<std::int64_t> replays_;
  std::int64_t padded_ = 0;
};

/** The lane must have drawn what the check assumed: nothing for padding, nothing twice. */
void check_draws(ssugraph::lane& lane, ssugraph::random_state expected) {
  const ssugraph::random_state now = lane.random_state();
  if (now != expected) {
    throw check_failure{fmt::format("the random state is at draw {} of seed {}, not at {} of {}",
                                    now.next_draw, now.seed, expected.next_draw, expected.seed)};
  }
}

}  // namespace

serving_result serve(const trace& requests, const serving_options& options) {
  const served_shape& shape = options.shape;
  const auto on = make_machine(options.where, step_tables::size(shape));
  workload work{*on, shape};
  const ssugraph::pipeline pipeline = build_pipeline(work, options);
  ssugraph::lane lane = pipeline.make_lane(on->stream());
  lane.set_random_state({options.seed, 0}, on->stream());

  scheduler schedule{requests, options.schedule};
  checker check{*on, work, options.config, options.seed,
                sample(requests, options.followed_requests, options.seed)};
  bucket_histogram histogram{pipeline};
  progress_bar progress{requests};
  serving_result result;
  std::uint64_t draws = 0;

  const auto start = std::chrono::steady_clock::now();
  for (auto running = schedule.begin_step(); !running.empty(); running = schedule.begin_step()) {
    const auto batch = static_cast<std::int32_t>(running.size());

    work.prepare(on->begin_step(), running, schedule.started());
    on->mark(moment::prepared);
    check.before(running);
    on->mark(moment::replay);
    lane.replay(batch, on->stream());
    on->mark(moment::replayed);
    check.after(running, draws);

    draws += static_cast<std::uint64_t>(pipeline.seeds_per_replay());
    histogram.add(batch);
    for (const sequence& each : running)
      result.state_bytes += shape.state_traffic(each);
    ++result.steps;
    schedule.end_step();
    progress.show(schedule, batch);
  }
  result.times = on->finish();
  result.wall_seconds = seconds{std::chrono::steady_clock::now() - start}.count();
  check_draws(lane, {options.seed, draws});

  result.machine = on->name();
  result.plan = to_string(pipeline.plan(0, pipeline.buckets().buckets().size() - 1));
  result.tokens = schedule.tokens();
  result.virtual_time = schedule.now();
  result.buckets = histogram.used();
  result.padded_sequences = histogram.padded_sequences();
  result.checked_steps = check.steps();
  result.worst = check.worst();
  return result;
}

}  // namespace serving_loop
