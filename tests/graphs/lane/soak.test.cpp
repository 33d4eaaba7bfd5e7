#include "tests/graphs/target_suite.hpp"

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

/** Random use of two lanes in flight together for SSUGRAPH_SOAK_SECONDS (default 2): every run is
 *  checked, bit for bit, against the same one by run_eager on memory of its own. */
namespace ssugraph::test {
namespace {

constexpr std::int32_t most_sequences = 12;
constexpr std::size_t layer_count = 3;

double soak_seconds() {
  const char* text = std::getenv("SSUGRAPH_SOAK_SECONDS");
  return text == nullptr ? 2.0 : std::atof(text);
}

case_spec random_soak_spec(random_engine& engine) {
  case_spec spec;
  spec.mode = static_cast<ssu_mode>(pick(engine, 0, 2));
  spec.has_cu_seqlens =
      spec.mode == ssu_mode::varlen || (spec.mode == ssu_mode::speculative && chance(engine, 0.5));
  spec.has_dst = chance(engine, 0.5);
  spec.max_seqlen = spec.mode == ssu_mode::plain ? 1 : pick(engine, 2, 4);
  spec.batch = most_sequences;
  spec.capacity = most_sequences;
  spec.nheads = pick(engine, 1, 3);
  spec.dim = pick(engine, 1, 40);
  spec.dstate = pick(engine, 1, 9) * 8;
  spec.tied = chance(engine, 0.7);
  spec.state_dtype = chance(engine, 0.5) ? dtype::bfloat16 : dtype::float16;
  spec.stochastic_rounding = chance(engine, 0.7);
  spec.has_z = chance(engine, 0.3);
  return spec;
}

/** A pipeline whose custom step writes what it saw to the lane that it is recorded for. */
class soaked_pipeline {
 public:
  soaked_pipeline(target where, const std::vector<ssu_case>& cases,
                  const recording_options& options)
      : built_on_{where, cases, true}, built_{build(where, options)} {}

  [[nodiscard]] const pipeline& get() const { return built_; }
  /** Where the step writes in what is recorded from now on. */
  void trace_to(std::byte* trace) { trace_ = trace; }

 private:
  pipeline build(target where, const recording_options& options) {
    pipeline_builder builder = built_on_.builder(bucket_policy{{2, 5, 12}});
    builder.recording(options);
    builder.step("seeds",
                 [this, where](const step_context& context, stream_handle stream) {
                   enqueue_copy(place_of(where), trace_, context.seeds.data(), 16, stream);
                   enqueue_copy(place_of(where), trace_ + 256, context.live_rows, 4, stream);
                 },
                 {.seeds = 2});
    return builder.build();
  }

  model built_on_;
  std::byte* trace_ = nullptr;
  pipeline built_;
};

/** Two places for all tensors of some layers, and a lane that moves between them. */
class soaked_lane {
 public:
  soaked_lane(soaked_pipeline& of, target where, const std::vector<ssu_case>& cases,
              stream_handle stream)
      : of_{of},
        home_{where, cases, true},
        away_{where, cases, true},
        trace_{place_of(where), 512},
        lane_{make_lane(stream)} {}

  /** The lane, about to be used. */
  [[nodiscard]] lane& use() {
    of_.trace_to(trace_.data());
    return lane_;
  }
  void run(lane_call call, std::int32_t batch) {
    if (call == lane_call::replay) {
      use().replay(batch, lane_.stream());
    } else {
      use().run_eager(batch, lane_.stream());
    }
  }
  void renew() {
    const random_state random = lane_.random_state();
    lane_ = make_lane(lane_.stream());
    lane_.set_random_state(random, lane_.stream());
  }
  void rebind() {
    at_home_ = !at_home_;
    (void)use().rebind(all_of(at_home_ ? home_ : away_));
  }
  [[nodiscard]] std::vector<arena> read() {
    std::vector<arena> all = home_.read();
    for (arena& one : away_.read())
      all.push_back(std::move(one));
    all.push_back(trace_.read_all());
    return all;
  }

 private:
  lane make_lane(stream_handle stream) {
    of_.trace_to(trace_.data());
    return of_.get().make_lane(stream, all_of(at_home_ ? home_ : away_));
  }

  static std::vector<binding> all_of(const model& to) {
    std::vector<binding> bindings;
    for (std::size_t layer = 0; layer < to.size(); ++layer) {
      for (std::size_t i = 0; i < ssu_tensors.size(); ++i) {
        const tensor_view& view = to.args(layer).*ssu_tensors[i].member;
        if (view)
          bindings.push_back(
              {model::name_of(layer), std::string{ssu_tensors[i].name}, view.data()});
      }
    }
    return bindings;
  }

  soaked_pipeline& of_;
  model home_;
  model away_;
  placed_memory trace_;
  bool at_home_ = true;
  lane lane_;
};

/** A lane that replays and one that runs the same eagerly. */
struct soaked_pair {
  soaked_lane replayed;
  soaked_lane oracle;
  std::optional<random_state> saved = std::nullopt;

  template <class Use>
  void both(Use use) {
    use(replayed);
    use(oracle);
  }
};

class soak : public target_suite {
 protected:
  struct counts {
    long runs = 0, rebinds = 0, restores = 0, lanes = 0, moves = 0, checks = 0;
  };

  /** Something that a serving loop may do to a lane. */
  static void act(soaked_pair& pair, stream_handle elsewhere, random_engine& engine, counts& done) {
    const auto batch = static_cast<std::int32_t>(pick(engine, 0, most_sequences));
    const auto dice = pick(engine, 0, 19);
    if (dice == 0) {
      pair.both([](soaked_lane& one) { one.rebind(); });
      ++done.rebinds;
    } else if (dice == 1) {
      pair.saved = pair.replayed.use().random_state();
      ASSERT_EQ(pair.saved, pair.oracle.use().random_state());
    } else if (dice == 2 && pair.saved) {
      pair.both([&](soaked_lane& one) {
        lane& own = one.use();
        own.set_random_state(*pair.saved, own.stream());
      });
      ++done.restores;
    } else if (dice == 3) {
      pair.both([](soaked_lane& one) { one.renew(); });
      ++done.lanes;
    } else if (dice == 4) {
      pair.both([&](soaked_lane& one) { one.use().move_to(elsewhere); });
      ++done.moves;
    } else {
      pair.replayed.run(lane_call::replay, batch);
      pair.oracle.run(lane_call::run_eager, batch);
      ++done.runs;
    }
  }

  /** Two pairs on streams of their own, in flight together, that move between three. */
  static void one_life(random_engine& engine, counts& done) {
    const case_spec spec = random_soak_spec(engine);
    SCOPED_TRACE(to_string(spec));
    const auto cases = make_layers(spec, layer_count);
    const std::array<second_stream, 3> streams{second_stream{GetParam()}, second_stream{GetParam()},
                                               second_stream{GetParam()}};
    soaked_pipeline replaying{GetParam(), cases, {.lazy = chance(engine, 0.3)}};
    soaked_pipeline stepping{GetParam(), cases, {}};
    std::vector<std::unique_ptr<soaked_pair>> pairs;
    for (const std::size_t own : {0U, 1U}) {
      pairs.emplace_back(
          new soaked_pair{.replayed = {replaying, GetParam(), cases, streams[own].get()},
                          .oracle = {stepping, GetParam(), cases, streams[own].get()}});
    }
    for (int action = 0; action < 120; ++action) {
      soaked_pair& pair = *pairs[static_cast<std::size_t>(pick(engine, 0, 1))];
      const auto elsewhere = static_cast<std::size_t>(pick(engine, 0, 2));
      ASSERT_NO_FATAL_FAILURE(act(pair, streams[elsewhere].get(), engine, done));
    }
    for (const second_stream& stream : streams)
      stream.wait();
    for (const auto& pair : pairs) {
      ASSERT_EQ(pair->replayed.read(), pair->oracle.read());
      ASSERT_EQ(pair->replayed.use().random_state(), pair->oracle.use().random_state());
      ++done.checks;
    }
  }
};

TEST_P(soak, of_random_use_equals_run_eager) {
  random_engine engine{base_seed()};
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(soak_seconds());
  counts done;
  do {
    ASSERT_NO_FATAL_FAILURE(one_life(engine, done)) << "seed " << base_seed();
  } while (std::chrono::steady_clock::now() < end);
  std::printf(
      "seed %llu: %ld runs, %ld rebinds, %ld restores, %ld lanes anew, %ld moves, %ld checks\n",
      static_cast<unsigned long long>(base_seed()), done.runs, done.rebinds, done.restores,
      done.lanes, done.moves, done.checks);
}

SSUGRAPH_ON_BOTH_TARGETS(soak);

}  // namespace
}  // namespace ssugraph::test
