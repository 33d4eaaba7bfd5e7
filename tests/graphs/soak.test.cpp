#include "tests/graphs/target_suite.hpp"

#include <ssugraph/pipeline.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

/** Random use of lanes for SSUGRAPH_SOAK_SECONDS (default 2): every run is checked, bit for bit,
 *  against the same one by run_eager on memory of its own. */
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

/** Two places for all tensors of some layers, and a lane that moves between them. */
class soaked {
 public:
  soaked(target where, const std::vector<ssu_case>& cases, const recording_options& options,
         stream_handle stream)
      : home_{where, cases, true},
        away_{where, cases, true},
        trace_{place_of(where), 512},
        built_{build(where, options)},
        lane_{built_.make_lane(stream)} {}

  [[nodiscard]] lane& get() { return lane_; }
  void renew(stream_handle stream) {
    const random_state random = lane_.random_state();
    lane_ = built_.make_lane(stream, all_of(at_home_ ? home_ : away_));
    lane_.set_random_state(random, stream);
  }
  void rebind() {
    at_home_ = !at_home_;
    (void)lane_.rebind(all_of(at_home_ ? home_ : away_));
  }
  [[nodiscard]] std::vector<arena> read() {
    std::vector<arena> all = home_.read();
    for (arena& one : away_.read())
      all.push_back(std::move(one));
    all.push_back(trace_.read_all());
    return all;
  }

 private:
  pipeline build(target where, const recording_options& options) {
    pipeline_builder builder = home_.builder(bucket_policy{{2, 5, 12}});
    builder.recording(options);
    builder.step("seeds",
                 [this, where](const step_context& context, stream_handle stream) {
                   enqueue_copy(place_of(where), trace_.data(), context.seeds.data(), 16, stream);
                   enqueue_copy(place_of(where), trace_.data() + 256, context.live_rows, 4, stream);
                 },
                 {.seeds = 2});
    return builder.build();
  }

  static std::vector<binding> all_of(const model& to) {
    std::vector<binding> bindings;
    for (std::size_t layer = 0; layer < to.size(); ++layer) {
      for (std::size_t i = 0; i + 1 < ssu_tensors.size(); ++i) {
        const tensor_view& view = to.args(layer).*ssu_tensors[i].member;
        if (view)
          bindings.push_back({model::name_of(layer), static_cast<ssu_tensor>(i), view.data()});
      }
    }
    return bindings;
  }

  model home_;
  model away_;
  placed_memory trace_;
  bool at_home_ = true;
  pipeline built_;
  lane lane_;
};

class soak : public target_suite {
 protected:
  struct counts {
    long runs = 0, rebinds = 0, restores = 0, lanes = 0, checks = 0;
  };

  static void one_life(random_engine& engine, counts& done) {
    const case_spec spec = random_soak_spec(engine);
    SCOPED_TRACE(to_string(spec));
    const auto cases = make_layers(spec, layer_count);
    const placed_stream stream{where()};
    soaked replayed{GetParam(), cases, {.lazy = chance(engine, 0.3)}, stream.get()};
    soaked oracle{GetParam(), cases, {}, stream.get()};
    std::optional<random_state> saved;
    for (int action = 0; action < 60; ++action) {
      const auto batch = static_cast<std::int32_t>(pick(engine, 0, most_sequences));
      const auto dice = pick(engine, 0, 19);
      if (dice == 0) {
        replayed.rebind(), oracle.rebind(), ++done.rebinds;
      } else if (dice == 1) {
        saved = replayed.get().random_state();
        ASSERT_EQ(saved, oracle.get().random_state());
      } else if (dice == 2 && saved) {
        for (soaked* one : {&replayed, &oracle})
          one->get().set_random_state(*saved, stream.get());
        ++done.restores;
      } else if (dice == 3) {
        replayed.renew(stream.get()), oracle.renew(stream.get()), ++done.lanes;
      } else {
        replayed.get().replay(batch, stream.get());
        oracle.get().run_eager(batch, stream.get());
        ++done.runs;
      }
    }
    stream.wait();
    ++done.checks;
    ASSERT_EQ(replayed.read(), oracle.read());
    ASSERT_EQ(replayed.get().random_state(), oracle.get().random_state());
  }
};

TEST_P(soak, of_random_use_equals_run_eager) {
  random_engine engine{base_seed()};
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(soak_seconds());
  counts done;
  do {
    ASSERT_NO_FATAL_FAILURE(one_life(engine, done)) << "seed " << base_seed();
  } while (std::chrono::steady_clock::now() < end);
  std::printf("seed %llu: %ld runs, %ld rebinds, %ld restores, %ld lanes anew, %ld checks\n",
              static_cast<unsigned long long>(base_seed()), done.runs, done.rebinds, done.restores,
              done.lanes, done.checks);
}

SSUGRAPH_ON_BOTH_TARGETS(soak);

}  // namespace
}  // namespace ssugraph::test
