#include "tests/graphs/replay.hpp"
#include "tests/graphs/ring_layers.hpp"
#include "tests/support/compare.hpp"
#include "tests/support/model_case.hpp"
#include "tests/support/ssu_oracle.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

/** The choice that is measured when a pipeline is built. */
namespace ssugraph::test {
namespace {

class automatic : public testing::Test {
 protected:
  automatic() {
    set_log_sink([this](std::string_view line) { log_.emplace_back(line); });
  }
  ~automatic() override { set_log_sink({}); }

  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  }

  static case_spec model_spec() {
    case_spec spec;
    spec.batch = spec.capacity = 8;
    spec.nheads = 16;
    spec.ngroups = 2;
    spec.dim = 64;
    spec.dstate = 128;
    spec.state_dtype = spec.io_dtype = dtype::bfloat16;
    spec.dt_dtype = spec.D_dtype = spec.dt_bias_dtype = dtype::bfloat16;
    return spec;
  }

  static std::vector<ssu_case> layers_of(const case_spec& spec, std::size_t count) {
    auto cases = make_layers(spec, count);
    for (ssu_case& test : cases)
      test.config.backend = "automatic";
    return cases;
  }

  static std::string choice_of(const ssu_plan& plan) { return plan.backend + plan.algorithm; }

  std::vector<std::string> log_;
};

TEST_F(automatic, measures_every_candidate_and_takes_the_fastest) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    case_spec spec = model_spec();
    spec.mode = mode;
    spec.has_cu_seqlens = mode != ssu_mode::plain;
    spec.max_seqlen = mode == ssu_mode::plain ? 1 : 2;
    model layers{target::cuda, layers_of(spec, 1), false};
    const auto before = layers.read();
    const pipeline built = layers.build(bucket_policy{{1, 2, 8}});
    EXPECT_EQ(layers.read(), before) << "measuring touched a bound tensor";
    for (std::size_t bucket = 0; bucket < 3; ++bucket) {
      const ssu_plan& plan = built.plan(0, bucket);
      ASSERT_FALSE(plan.timings.empty());
      EXPECT_EQ(choice_of(plan), plan.timings[0].backend + plan.timings[0].algorithm);
      EXPECT_EQ(plan.timings[0].verdict, "chosen");
      for (const candidate_timing& timing : plan.timings) {
        EXPECT_GT(timing.median_us, 0.5) << to_table(plan);
        EXPECT_LT(timing.median_us, 1000.0) << to_table(plan);
        EXPECT_GT(timing.limit_share, 0.0) << to_table(plan);
      }
    }
    std::printf("%s\n%s", to_string(built.plan(0, 2)).c_str(), to_table(built.plan(0, 2)).c_str());
  }
}

TEST_F(automatic, measures_layers_with_rings_and_leaves_their_cursors) {
  for (const std::int64_t tokens : {1, 4}) {
    const ring_layers layers{target::cuda, {.max_seqlen = tokens}};
    pipeline_builder builder{{.backend = "automatic"}, bucket_policy{{1, 2, 6}}};
    layers.add_to(builder);
    const auto before = layers.cursors();
    const pipeline built = builder.build();
    EXPECT_EQ(layers.cursors(), before);
    for (std::size_t bucket = 0; bucket < 3; ++bucket) {
      const ssu_plan& plan = built.plan(0, bucket);
      ASSERT_FALSE(plan.timings.empty());
      EXPECT_EQ(plan.timings[0].verdict, "chosen");
      EXPECT_GT(plan.timings[0].median_us, 0.5) << to_table(plan);
      EXPECT_LT(plan.timings[0].median_us, 1000.0) << to_table(plan);
    }
  }
}

TEST_F(automatic, replays_what_it_runs_eagerly) {
  const auto cases = layers_of(model_spec(), 3);
  model replayed{target::cuda, cases, true};
  model eager{target::cuda, cases, true};
  const placed_stream stream{place::device};
  const bucket_policy buckets{{4, 8}};
  const std::string cache =
      testing::TempDir() + "ssugraph_eager_" + std::to_string(getpid()) + ".json";
  std::filesystem::remove(cache);
  // One cache, so that both choose alike.
  lane graph =
      replayed.builder(buckets).tuning({.cache_file = cache}).build().make_lane(stream.get());
  lane oracle =
      eager.builder(buckets).tuning({.cache_file = cache}).build().make_lane(stream.get());
  for (const std::int32_t batch : {8, 3, 5, 1}) {
    graph.replay(batch, stream.get());
    oracle.run_eager(batch, stream.get());
    stream.wait();
    ASSERT_EQ(replayed.read(), eager.read()) << batch;
  }
  std::filesystem::remove(cache);
}

TEST_F(automatic, layers_share_a_measurement) {
  const auto measured = [&](std::size_t layers) {
    log_.clear();
    model model{target::cuda, layers_of(model_spec(), layers), false};
    static_cast<void>(model.build(bucket_policy{{2, 8}}));
    const std::string& line = log_.back();
    const std::size_t end = line.find(" candidates measured");
    EXPECT_NE(end, std::string::npos) << line;
    return std::stoi(line.substr(line.rfind(' ', end - 1) + 1));
  };
  EXPECT_EQ(measured(1), measured(5));
}

TEST_F(automatic, without_measuring_goes_by_a_table) {
  model layers{target::cuda, layers_of(model_spec(), 1), false};
  const pipeline built = layers.builder(bucket_policy{{2, 8}}).tuning({.measure = false}).build();
  for (std::size_t bucket = 0; bucket < 2; ++bucket) {
    EXPECT_TRUE(built.plan(0, bucket).timings.empty());
    EXPECT_NE(built.plan(0, bucket).backend, "automatic");
  }
}

TEST_F(automatic, a_cache_spares_the_measurement) {
  const std::string cache =
      testing::TempDir() + "ssugraph_spares_" + std::to_string(getpid()) + ".json";
  std::filesystem::remove(cache);
  model layers{target::cuda, layers_of(model_spec(), 1), false};
  const auto build = [&] {
    log_.clear();
    return layers.builder(bucket_policy{{2, 8}}).tuning({.cache_file = cache}).build();
  };
  const pipeline first = build();
  EXPECT_NE(log_.back().find("candidates measured"), std::string::npos);
  const pipeline second = build();
  EXPECT_EQ(log_.back().find("candidates measured"), std::string::npos) << log_.back();
  for (std::size_t bucket = 0; bucket < 2; ++bucket) {
    EXPECT_EQ(first.plan(0, bucket), second.plan(0, bucket));
    EXPECT_EQ(to_table(first.plan(0, bucket)), to_table(second.plan(0, bucket)));
  }
  std::filesystem::remove(cache);
}

TEST_F(automatic, a_bucket_that_does_not_fit_takes_the_largest_that_did) {
  model layers{target::cuda, layers_of(model_spec(), 1), false};
  const pipeline none =
      layers.builder(bucket_policy{{2, 8}}).tuning({.scratch_fraction = 1e-9}).build();
  EXPECT_TRUE(none.plan(0, 0).timings.empty()) << "there was no room to measure in";
  EXPECT_NE(none.plan(0, 0).backend, "automatic");
}

/** Launches are measured on parts of scratch tensors, which lie as plans rely on. */
TEST_F(automatic, measures_a_state_of_one_slot_whatever_its_stride) {
  case_spec spec = model_spec();
  spec.batch = spec.capacity = 1;
  spec.has_indices = false;
  const model layers{target::cuda, layers_of(spec, 1), false};
  for (const std::int64_t stride : {1, 0, 3, -5}) {
    ssu_args args = layers.args(0);
    args.state = {args.state.data(), args.state.dtype(), {1, 16, 64, 128}, {stride, 8192, 128, 1}};
    pipeline_builder builder{{.backend = "automatic"}, bucket_policy{{1}}};
    const pipeline built = builder.ssu("layer", args).build();
    EXPECT_FALSE(built.plan(0, 0).timings.empty());
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }
}

TEST_F(automatic, measures_rows_whose_pitch_keeps_less_alignment_than_they_have) {
  case_spec spec = model_spec();
  spec.dt_dtype = spec.D_dtype = spec.dt_bias_dtype = dtype::float32;
  random_engine engine{base_seed()};
  ssu_case test = model_case(spec, engine);
  test.config.backend = "automatic";
  const model layers{target::cuda, {test}, false};
  ssu_args args = layers.args(0);
  const std::int64_t pitch = spec.nheads * spec.dim + 8;
  const placed_memory rows{place::device, static_cast<std::size_t>(spec.batch * pitch * 2)};
  args.x = {rows.data(), spec.io_dtype, {spec.batch, spec.nheads, spec.dim}, {pitch, spec.dim, 1}};
  pipeline_builder builder{{.backend = "automatic"}, bucket_policy{{1, 8}}};
  const pipeline built = builder.ssu("layer", args).build();
  EXPECT_FALSE(built.plan(0, 0).timings.empty());
  std::printf("%s", to_table(built.plan(0, 0)).c_str());
}

TEST_F(automatic, batch_invariant_is_one_choice_whose_results_do_not_hang_on_the_bucket) {
  for (const char* backend : {"automatic", "triton", "native", "flashinfer"}) {
    auto cases = layers_of(model_spec(), 1);
    cases.front().config.backend = backend;
    std::vector<arena> results;
    try {
      for (const std::vector<std::int32_t>& buckets :
           {std::vector{1, 2, 4, 8}, std::vector{4, 8}, std::vector{8}}) {
        model layers{target::cuda, cases, false};
        const placed_stream stream{place::device};
        const pipeline built =
            layers.builder(bucket_policy{buckets}).tuning({.batch_invariant = true}).build();
        for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket)
          EXPECT_EQ(choice_of(built.plan(0, bucket)), choice_of(built.plan(0, 0)));
        if (std::string{backend} == "automatic") continue;
        lane lane = built.make_lane(stream.get());
        lane.replay(1, stream.get());
        stream.wait();
        results.push_back(layers.read().front());
      }
    } catch (const unsupported&) {
      continue;  // not in this build, or not this shape
    }
    // Padded rows differ by bucket; the first sequence must not.
    const ssu_args args = cases.front().args_at(nullptr);
    const auto row = reinterpret_cast<std::uintptr_t>(args.out.data());
    for (const arena& result : results) {
      const auto bytes = static_cast<std::size_t>(16 * 64 * 2);
      EXPECT_TRUE(std::equal(result.data() + row, result.data() + row + bytes,
                             results.front().data() + row))
          << backend;
    }
  }
}

}  // namespace
}  // namespace ssugraph::test
