#include "tests/c_api/c_pipelines.hpp"
#include "tests/support/float_format.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

/** The C API does what the C++ API does, bit for bit, on either target. */
namespace ssugraph::test {
namespace {

constexpr std::array<std::int32_t, 2> buckets{3, 8};
const mamba_config rounding{.stochastic_rounding = true};

bucket_policy policy() {
  return bucket_policy{{buckets.begin(), buckets.end()}};
}

/** The same layers twice, and a lane on each: one by C++, one by C. */
class c_pipeline_test : public c_pipelines {
 protected:
  void SetUp() override {
    target_suite::SetUp();
    if (IsSkipped()) return;
    stream_.emplace(where());
  }

  [[nodiscard]] stream_handle stream() const { return stream_->get(); }

  std::optional<placed_stream> stream_;
};

TEST_P(c_pipeline_test, replays_as_cpp_does_in_all_modes) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen, ssu_mode::speculative}) {
    SCOPED_TRACE(to_string(mode));
    const auto layers = make_layers(rounding_spec(mode), 3);
    const model by_cpp{GetParam(), layers, true};
    const model by_c{GetParam(), layers, true};
    lane expected = by_cpp.build(policy()).make_lane(stream());
    c_lane lane;
    ASSERT_NO_FATAL_FAILURE(make_lane(by_c, rounding, buckets, stream(), lane));
    expected.set_random_state({17, 4}, stream());
    EXPECT_STATUS(ssugraph_lane_set_random_state(lane, {17, 4}, stream()), SUCCESS);
    const auto before = by_c.read();
    for (const std::int32_t batch : {2, 8, 0, 3, 1, 5}) {
      expected.replay(batch, stream());
      EXPECT_STATUS(ssugraph_lane_replay(lane, batch, stream()), SUCCESS);
      expected.run_eager(batch, stream());
      EXPECT_STATUS(ssugraph_lane_run_eager(lane, batch, stream()), SUCCESS);
      stream_->wait();
      EXPECT_EQ(by_c.read(), by_cpp.read()) << batch;
    }
    EXPECT_NE(by_c.read(), before);
    ssugraph_random_state state{};
    EXPECT_STATUS(ssugraph_lane_random_state(lane, &state), SUCCESS);
    EXPECT_EQ((random_state{state.seed, state.next_draw}), expected.random_state());
    EXPECT_EQ(state.next_draw, 4u + 2 * 5 * 3);
  }
}

TEST_P(c_pipeline_test, tells_of_a_pipeline_what_cpp_tells) {
  const model layers{GetParam(), make_layers(rounding_spec(), 2), true};
  const pipeline expected = layers.build(policy());
  c_builder builder;
  ASSERT_NO_FATAL_FAILURE(create(builder, rounding, buckets));
  ASSERT_NO_FATAL_FAILURE(add_layer(builder, layers, 0));
  ASSERT_NO_FATAL_FAILURE(add_layer(builder, layers, 1));
  c_pipeline pipeline;
  ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);

  std::size_t number = 0;
  EXPECT_STATUS(ssugraph_pipeline_step_count(pipeline, &number), SUCCESS);
  EXPECT_EQ(number, 2u);
  EXPECT_STATUS(ssugraph_pipeline_step_index(pipeline, "layer1", &number), SUCCESS);
  EXPECT_EQ(number, 1u);
  EXPECT_EQ(refused_argument(ssugraph_pipeline_step_index(pipeline, "layer2", &number)), "name");
  EXPECT_EQ(refused_argument(ssugraph_pipeline_step_index(pipeline, "\xff", &number)), "name");
  EXPECT_EQ(refused_argument(ssugraph_pipeline_step_index(pipeline, nullptr, &number)), "name");
  std::array<std::int32_t, 2> found{};
  EXPECT_STATUS(ssugraph_pipeline_buckets(pipeline, found.data(), found.size(), &number), SUCCESS);
  EXPECT_EQ(found, buckets);
  EXPECT_EQ(number, 2u);
  std::int32_t target = -1;
  EXPECT_STATUS(ssugraph_pipeline_target(pipeline, &target), SUCCESS);
  EXPECT_EQ(target, c_target());
  std::int64_t seeds = 0;
  EXPECT_STATUS(ssugraph_pipeline_seeds_per_replay(pipeline, &seeds), SUCCESS);
  EXPECT_EQ(seeds, expected.seeds_per_replay());
  std::uint64_t bytes = 0;
  EXPECT_STATUS(ssugraph_pipeline_lane_bytes(pipeline, &bytes), SUCCESS);
  EXPECT_EQ(bytes, expected.lane_bytes());
  EXPECT_EQ(refused_argument(ssugraph_pipeline_lane_bytes(pipeline, nullptr)), "bytes");
  const auto text = [&](auto function) {
    return text_of([&](char* to, std::size_t capacity, std::size_t* length) {
      return function(pipeline, to, capacity, length);
    });
  };
  EXPECT_EQ(text(ssugraph_pipeline_describe), expected.describe());
  EXPECT_EQ(text(ssugraph_pipeline_describe_json), expected.describe_json());
  EXPECT_EQ(text_of([&](char* to, std::size_t capacity, std::size_t* length) {
              return ssugraph_pipeline_plan(pipeline, 1, 1, to, capacity, length);
            }),
            to_string(expected.plan(1, 1)));
  EXPECT_STATUS(ssugraph_pipeline_timings(pipeline, 2, 0, nullptr, 0, &number), INVALID_ARGUMENT);
  EXPECT_STATUS(ssugraph_pipeline_plan(pipeline, 2, 0, nullptr, 0, &number), INVALID_ARGUMENT);
  EXPECT_STATUS(ssugraph_pipeline_plan(pipeline, 0, 2, nullptr, 0, &number), INVALID_ARGUMENT);
}

TEST_P(c_pipeline_test, tells_what_was_measured) {
  const model layers{GetParam(), make_layers(rounding_spec(), 1), false};
  c_builder builder;
  ASSERT_NO_FATAL_FAILURE(
      create(builder, {.backend = "automatic", .stochastic_rounding = true}, buckets));
  ASSERT_NO_FATAL_FAILURE(add_layer(builder, layers, 0));
  c_pipeline pipeline;
  ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
  const std::string table = text_of([&](char* to, std::size_t capacity, std::size_t* length) {
    return ssugraph_pipeline_timings(pipeline, 0, 1, to, capacity, length);
  });
  if (on_gpu()) {
    EXPECT_NE(table.find("chosen"), std::string::npos) << table;
  } else {
    EXPECT_EQ(table, "") << "nothing is measured on the host";
  }
}

TEST_P(c_pipeline_test, tells_of_a_lane_what_cpp_tells) {
  const auto layers = make_layers(rounding_spec(), 2);
  const model by_cpp{GetParam(), layers, true};
  const model by_c{GetParam(), layers, true};
  lane expected = by_cpp.build(policy()).make_lane(stream());
  c_lane lane;
  ASSERT_NO_FATAL_FAILURE(make_lane(by_c, rounding, buckets, stream(), lane));
  for (const std::int32_t batch : {1, 4, 4, 8}) {
    expected.replay(batch, stream());
    ASSERT_STATUS(ssugraph_lane_replay(lane, batch, stream()), SUCCESS);
  }
  stream_->wait();
  ssugraph_lane_stats stats{};
  stats.struct_size = sizeof stats;
  ASSERT_STATUS(ssugraph_lane_get_stats(lane, &stats), SUCCESS);
  const lane_stats same = expected.stats();
  EXPECT_EQ(stats.replays, same.replays);
  EXPECT_EQ(stats.padded_sequences, same.padded_sequences);
  EXPECT_EQ(stats.moved_bytes, same.moved_bytes);
  EXPECT_EQ(stats.lazy_builds, same.lazy_builds);
  EXPECT_EQ(stats.retries, same.retries);
  EXPECT_EQ(stats.own_bytes, same.own_bytes);
  ASSERT_EQ(stats.bucket_count, same.buckets.size());
  for (std::size_t i = 0; i < same.buckets.size(); ++i) {
    ssugraph_bucket_stats bucket{};
    bucket.struct_size = sizeof bucket;
    ASSERT_STATUS(ssugraph_lane_get_bucket_stats(lane, i, &bucket), SUCCESS);
    EXPECT_EQ(bucket.bucket, same.buckets[i].bucket);
    EXPECT_EQ(bucket.replays, same.buckets[i].replays);
    EXPECT_EQ(bucket.moved_bytes, same.buckets[i].moved_bytes);
    EXPECT_EQ(bucket.nodes, same.buckets[i].nodes);
    EXPECT_EQ(bucket.recorded, same.buckets[i].recorded ? 1 : 0);
    EXPECT_EQ(bucket.build_ms > 0, same.buckets[i].build_ms > 0);
  }
  std::array<std::uint64_t, 9> histogram{};
  std::size_t count = 0;
  ASSERT_STATUS(ssugraph_lane_batch_histogram(lane, histogram.data(), histogram.size(), &count),
                SUCCESS);
  EXPECT_EQ(count, histogram.size());
  EXPECT_EQ(std::vector(histogram.begin(), histogram.end()), expected.batch_histogram());
  EXPECT_EQ(text_of([&](char* to, std::size_t capacity, std::size_t* length) {
              return ssugraph_lane_describe_json(lane, to, capacity, length);
            }),
            expected.describe_json());
  std::size_t length = 0;
  if (on_gpu()) {
    EXPECT_EQ(text_of([&](char* to, std::size_t capacity, std::size_t* all) {
                return ssugraph_lane_dot(lane, 3, to, capacity, all);
              }),
              expected.dot(3));
  } else {
    EXPECT_STATUS(ssugraph_lane_dot(lane, 3, nullptr, 0, &length), INVALID_STATE);
  }
  EXPECT_EQ(refused_argument(ssugraph_lane_dot(lane, 4, nullptr, 0, &length)), "bucket");
}

TEST_P(c_pipeline_test, times_buckets_and_puts_the_random_state_back) {
  const model layers{GetParam(), make_layers(rounding_spec(), 1), false};
  c_lane lane;
  ASSERT_NO_FATAL_FAILURE(make_lane(layers, rounding, buckets, stream(), lane));
  ASSERT_STATUS(ssugraph_lane_set_random_state(lane, {1, 2}, stream()), SUCCESS);
  std::array<ssugraph_bucket_time, 3> times{};
  std::size_t count = 0;
  ASSERT_STATUS(ssugraph_lane_time_buckets(lane, 3, times.data(), times.size(), &count, stream()),
                SUCCESS);
  EXPECT_EQ(count, 2u);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(times[i].bucket, buckets[i]);
    EXPECT_GT(times[i].microseconds, 0.0);
  }
  ssugraph_random_state state{};
  ASSERT_STATUS(ssugraph_lane_random_state(lane, &state), SUCCESS);
  EXPECT_EQ(state.seed, 1u);
  EXPECT_EQ(state.next_draw, 2u);
  EXPECT_EQ(refused_argument(ssugraph_lane_time_buckets(lane, 0, nullptr, 0, nullptr, stream())),
            "rounds");
}

TEST_P(c_pipeline_test, binds_and_rebinds_other_memory) {
  const auto layers = make_layers(rounding_spec(), 2);
  const model by_cpp{GetParam(), layers, false};
  const model built_on{GetParam(), layers, false};
  const model bound{GetParam(), layers, false};
  const model rebound{GetParam(), layers, false};
  lane expected = by_cpp.build(policy()).make_lane(stream());
  const std::array<std::pair<const char*, tensor_view ssu_args::*>, 2> written{
      {{"state", &ssu_args::state}, {"out", &ssu_args::out}}};
  const auto bindings_to = [&](const model& to) {
    std::vector<ssugraph_binding> bindings;
    for (const auto& [name, member] : written) {
      bindings.push_back({"layer0", name, (to.args(0).*member).data()});
      bindings.push_back({"layer1", name, (to.args(1).*member).data()});
    }
    return bindings;
  };
  c_builder builder;
  ASSERT_NO_FATAL_FAILURE(create(builder, rounding, buckets));
  ASSERT_NO_FATAL_FAILURE(add_layer(builder, built_on, 0));
  ASSERT_NO_FATAL_FAILURE(add_layer(builder, built_on, 1));
  c_pipeline pipeline;
  ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
  c_lane lane;
  auto bindings = bindings_to(bound);
  ASSERT_STATUS(
      ssugraph_pipeline_make_lane(pipeline, bindings.data(), bindings.size(), stream(), &lane),
      SUCCESS);
  const auto untouched = built_on.read();
  expected.replay(5, stream());
  ASSERT_STATUS(ssugraph_lane_replay(lane, 5, stream()), SUCCESS);
  stream_->wait();
  EXPECT_EQ(bound.read(), by_cpp.read());
  EXPECT_EQ(built_on.read(), untouched);

  const auto bound_before = bound.read();
  bindings = bindings_to(rebound);
  std::array<std::int32_t, 2> outcomes{-1, -1};
  std::size_t count = 0;
  ASSERT_STATUS(ssugraph_lane_rebind(lane, bindings.data(), bindings.size(), outcomes.data(),
                                     outcomes.size(), &count),
                SUCCESS);
  EXPECT_EQ(count, 2u);
  for (const std::int32_t outcome : outcomes)
    EXPECT_EQ(outcome, SSUGRAPH_REBIND_UPDATED);
  ASSERT_STATUS(ssugraph_lane_set_random_state(lane, {0, 0}, stream()), SUCCESS);
  ASSERT_STATUS(ssugraph_lane_replay(lane, 5, stream()), SUCCESS);
  stream_->wait();
  EXPECT_EQ(rebound.read(), by_cpp.read());
  EXPECT_EQ(bound.read(), bound_before);
  EXPECT_STATUS(ssugraph_lane_rebuild(lane, 5), SUCCESS);
  EXPECT_EQ(refused_argument(ssugraph_lane_rebuild(lane, 9)), "batch");

  const auto refused = [&](ssugraph_binding binding) {
    return refused_argument(ssugraph_lane_rebind(lane, &binding, 1, nullptr, 0, nullptr));
  };
  const void* const out = rebound.args(0).out.data();
  EXPECT_EQ(refused({nullptr, "out", out}), "bindings[0].step");
  EXPECT_EQ(refused({"\xfe", "out", out}), "bindings[0].step");
  EXPECT_EQ(refused({"layer0", nullptr, out}), "bindings[0].tensor");
  EXPECT_EQ(refused({"layer0", "\xfe", out}), "bindings[0].tensor");
  EXPECT_EQ(refused({"layer0", "output", out}), "bindings");
  EXPECT_EQ(refused({"layer0", "out", reinterpret_cast<void*>(~std::uintptr_t{0})}), "layer0.out");
  EXPECT_EQ(refused_argument(ssugraph_lane_rebind(lane, nullptr, 1, nullptr, 0, nullptr)),
            "bindings");
}

TEST_P(c_pipeline_test, binds_only_what_the_launched_kernels_can_take) {
  case_spec spec = rounding_spec();
  spec.nheads = 1;
  spec.dim = 128;
  spec.dstate = 16;
  spec.tied = false;
  spec.io_dtype = dtype::bfloat16;
  spec.stochastic_rounding = false;
  auto layers = make_layers(spec, 1);
  // The tile whose name has images for vector access and for any layout.
  const mamba_config triton{.backend = "triton", .algorithm = "64x4"};
  for (const mamba_config& config : {mamba_config{}, triton}) {
    layers.front().config = config;
    const model by_cpp{GetParam(), layers, false};
    const model by_c{GetParam(), layers, false};
    const model other{GetParam(), layers, false};
    c_builder builder;
    if (const ssugraph_config given = c_config(config);
        ssugraph_builder_create(&given, buckets.data(), buckets.size(), c_target(), &builder) ==
        SSUGRAPH_STATUS_UNSUPPORTED) {
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(add_layer(builder, by_c, 0));
    c_pipeline pipeline;
    ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
    c_lane lane;
    ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, stream(), &lane), SUCCESS);
    for (const auto& [name, member] :
         {std::pair{"state", &ssu_args::state}, std::pair{"A", &ssu_args::A},
          std::pair{"B", &ssu_args::B}, std::pair{"C", &ssu_args::C}}) {
      const auto* misaligned = static_cast<const std::byte*>((other.args(0).*member).data()) + 4;
      const ssugraph_binding binding{"layer0", name, misaligned};
      c_lane another;
      const auto made = ssugraph_pipeline_make_lane(pipeline, &binding, 1, stream(), &another);
      if (!on_gpu()) {
        EXPECT_EQ(made, SSUGRAPH_STATUS_SUCCESS) << ssugraph_last_error();
        continue;
      }
      const std::string reason = std::string{name} + " is not 16-byte aligned";
      EXPECT_EQ(refused_argument(made), "layer0");
      EXPECT_NE(std::string{ssugraph_last_error()}.find(reason), std::string::npos)
          << ssugraph_last_error();
      EXPECT_EQ(refused_argument(ssugraph_lane_rebind(lane, &binding, 1, nullptr, 0, nullptr)),
                "layer0");
    }
    auto expected = by_cpp.build(policy()).make_lane(stream());
    expected.run_eager(5, stream());
    ASSERT_STATUS(ssugraph_lane_replay(lane, 5, stream()), SUCCESS);
    stream_->wait();
    EXPECT_EQ(by_c.read(), by_cpp.read());
  }
}

TEST_P(c_pipeline_test, moves_to_another_stream) {
  const model layers{GetParam(), make_layers(rounding_spec(), 1), false};
  const second_stream other{GetParam()};
  c_lane lane;
  ASSERT_NO_FATAL_FAILURE(make_lane(layers, rounding, buckets, stream(), lane));
  EXPECT_STATUS(ssugraph_lane_replay(lane, 2, other.get()), INVALID_STATE);
  EXPECT_STATUS(ssugraph_lane_move_to(lane, other.get()), SUCCESS);
  ssugraph_stream now = nullptr;
  EXPECT_STATUS(ssugraph_lane_stream(lane, &now), SUCCESS);
  EXPECT_EQ(now, other.get());
  EXPECT_STATUS(ssugraph_lane_replay(lane, 2, other.get()), SUCCESS);
  other.wait();
  EXPECT_EQ(refused_argument(ssugraph_lane_stream(lane, nullptr)), "stream");
}

TEST_P(c_pipeline_test, takes_all_options) {
  const model layers{GetParam(), make_layers(rounding_spec(), 1), false};
  c_builder builder;
  ASSERT_NO_FATAL_FAILURE(create(builder, rounding, buckets));
  ASSERT_NO_FATAL_FAILURE(add_layer(builder, layers, 0));
  const auto recording = [&](auto change) {
    ssugraph_recording_options options{};
    options.struct_size = sizeof options;
    change(options);
    return refused_argument(ssugraph_builder_recording(builder, &options));
  };
  EXPECT_EQ(recording([](auto& o) { o.lazy = 2; }), "lazy");
  EXPECT_EQ(recording([](auto& o) { o.strict_capture = 2; }), "strict_capture");
  EXPECT_EQ(recording([](auto& o) { o.checked = 3; }), "checked");
  EXPECT_EQ(recording([](auto& o) { o.reserved = 1; }), "reserved");
  const auto tuning = [&](auto change) {
    ssugraph_tuning_options options{};
    options.struct_size = sizeof options;
    change(options);
    return refused_argument(ssugraph_builder_tuning(builder, &options));
  };
  EXPECT_EQ(tuning([](auto& o) { o.scratch_fraction = 1.5; }), "scratch_fraction");
  EXPECT_EQ(tuning([](auto& o) { o.measure = 3; }), "measure");
  EXPECT_EQ(tuning([](auto& o) { o.batch_invariant = -1; }), "batch_invariant");
  EXPECT_EQ(tuning([](auto& o) { o.cache_file = "\xff"; }), "cache_file");
  EXPECT_EQ(tuning([](auto& o) { o.measure = SSUGRAPH_TOGGLE_OFF; }), "success");
  EXPECT_STATUS(ssugraph_builder_tuning(builder, nullptr), SUCCESS);
  EXPECT_STATUS(ssugraph_builder_rows(builder, 100), INVALID_STATE) << "behind a layer";
  EXPECT_EQ(refused_argument(ssugraph_builder_programmatic_dependent_launch(builder, 2)),
            "enabled");
  EXPECT_STATUS(ssugraph_builder_programmatic_dependent_launch(builder, 0), SUCCESS);

  c_pipeline pipeline;
  EXPECT_EQ(recording([](auto& o) { o.max_graphs = 1; }), "success");
  EXPECT_EQ(refused_argument(ssugraph_builder_build(builder, &pipeline)), "max_graphs");
  EXPECT_EQ(static_cast<ssugraph_pipeline*>(pipeline), nullptr);
  EXPECT_EQ(recording([](auto& o) { o.checked = SSUGRAPH_TOGGLE_ON; }), "success");
  ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
  c_lane lane;
  ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, stream(), &lane), SUCCESS);
  EXPECT_STATUS(ssugraph_lane_replay(lane, 8, stream()), SUCCESS);
  stream_->wait();
}

TEST_P(c_pipeline_test, builders_say_what_is_wrong_and_stay_as_they_were) {
  const model layers{GetParam(), make_layers(rounding_spec(), 2), false};
  c_builder builder;
  const auto created = [&](std::vector<std::int32_t> of, std::int32_t target) {
    return refused_argument(
        ssugraph_builder_create(nullptr, of.data(), of.size(), target, &builder));
  };
  EXPECT_EQ(created({}, c_target()), "buckets");
  EXPECT_EQ(created({0}, c_target()), "buckets");
  EXPECT_EQ(created({2, 2}, c_target()), "buckets");
  EXPECT_EQ(created({2}, 2), "target");
  EXPECT_EQ(refused_argument(ssugraph_builder_create(nullptr, nullptr, 2, c_target(), &builder)),
            "buckets");
  EXPECT_EQ(
      refused_argument(ssugraph_builder_create(nullptr, buckets.data(), 2, c_target(), nullptr)),
      "builder");
  EXPECT_EQ(static_cast<ssugraph_builder*>(builder), nullptr);

  ASSERT_NO_FATAL_FAILURE(create(builder, rounding, buckets));
  c_pipeline pipeline;
  EXPECT_STATUS(ssugraph_builder_build(builder, &pipeline), INVALID_STATE);
  const c_args args{layers.args(0), on_gpu()};
  const auto added = [&](const char* name, const ssugraph_ssu_args* of,
                         const ssugraph_ssu_options* options = nullptr) {
    return refused_argument(ssugraph_builder_ssu(builder, name, of, options));
  };
  EXPECT_EQ(added(nullptr, args.get()), "name");
  EXPECT_EQ(added("", args.get()), "name");
  EXPECT_EQ(added("\x80", args.get()), "name");
  EXPECT_EQ(added("layer", nullptr), "args");
  EXPECT_EQ(refused_argument(ssugraph_builder_rows(builder, -1)), "rows");
  EXPECT_STATUS(ssugraph_builder_rows(builder, 100), SUCCESS);
  EXPECT_EQ(added("layer", args.get()), "layer.cu_seqlens");
  EXPECT_STATUS(ssugraph_builder_rows(builder, 0), SUCCESS);
  ssugraph_ssu_options options{sizeof options, 2, 0, nullptr};
  EXPECT_EQ(added("layer", args.get(), &options), "shares_state");
  options = {sizeof options, 0, 1, nullptr};
  EXPECT_EQ(added("layer", args.get(), &options), "reserved");
  EXPECT_EQ(added("l\xc3\xa4yer", args.get()), "success");
  EXPECT_EQ(added("l\xc3\xa4yer", args.get()), "name") << "is taken";
  EXPECT_EQ(added("again", args.get()), "again.state");
  options = {sizeof options, 1, 0, nullptr};
  EXPECT_EQ(added("again", args.get(), &options), "success");
  ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
  std::size_t steps = 0;
  EXPECT_STATUS(ssugraph_pipeline_step_count(pipeline, &steps), SUCCESS);
  EXPECT_EQ(steps, 2u);
}

TEST_P(c_pipeline_test, stages_indices_and_counts) {
  const placed_memory counts_memory{where(), 4 * 5};
  const placed_memory slots_memory{where(), 8 * 6};
  const c_tensor counts{tensor_view{counts_memory.data(), dtype::int32, {5}}, on_gpu()};
  const c_tensor slots{tensor_view{slots_memory.data(), dtype::int64, {3, 2}}, on_gpu()};
  c_ring ring;
  EXPECT_EQ(refused_argument(ssugraph_staging_ring_create(0, 2, -1, &ring)), "bytes");
  EXPECT_EQ(refused_argument(ssugraph_staging_ring_create(64, 2, -2, &ring)), "device");
  ASSERT_STATUS(ssugraph_staging_ring_create(64, 2, on_gpu() ? 0 : -1, &ring), SUCCESS);
  void* memory = nullptr;
  std::size_t count = 0;
  EXPECT_STATUS(ssugraph_staging_ring_take(ring, &counts.tensor, 3, &memory, &count),
                INVALID_STATE);
  EXPECT_STATUS(ssugraph_staging_ring_submit(ring, stream()), INVALID_STATE);
  ASSERT_STATUS(ssugraph_staging_ring_begin(ring), SUCCESS);
  EXPECT_EQ(refused_argument(ssugraph_staging_ring_take(ring, nullptr, 3, &memory, &count)),
            "destination");
  EXPECT_EQ(refused_argument(ssugraph_staging_ring_take(ring, &counts.tensor, 6, &memory, &count)),
            "rows");
  EXPECT_EQ(refused_argument(ssugraph_staging_ring_take(ring, &counts.tensor, 3, nullptr, &count)),
            "memory");
  ASSERT_STATUS(ssugraph_staging_ring_take(ring, &counts.tensor, 3, &memory, &count), SUCCESS);
  ASSERT_EQ(count, 3u);
  const std::array<std::int32_t, 3> three{7, -8, 9};
  std::memcpy(memory, three.data(), sizeof three);
  ASSERT_STATUS(ssugraph_staging_ring_take(ring, &slots.tensor, 2, &memory, &count), SUCCESS);
  ASSERT_EQ(count, 4u);
  const std::array<std::int64_t, 4> four{1, std::int64_t{1} << 40, -3, 4};
  std::memcpy(memory, four.data(), sizeof four);
  ASSERT_STATUS(ssugraph_staging_ring_submit(ring, stream()), SUCCESS);
  stream_->wait();
  std::array<std::int32_t, 5> counts_found{};
  counts_memory.read(0, std::as_writable_bytes(std::span{counts_found}));
  EXPECT_EQ(counts_found, (std::array<std::int32_t, 5>{7, -8, 9, 0, 0}));
  std::array<std::int64_t, 6> slots_found{};
  slots_memory.read(0, std::as_writable_bytes(std::span{slots_found}));
  EXPECT_EQ(slots_found, (std::array<std::int64_t, 6>{1, std::int64_t{1} << 40, -3, 4, 0, 0}));
}

TEST_P(c_pipeline_test, records_nothing_without_a_capture) {
  const model layers{GetParam(), make_layers(rounding_spec(), 1), false};
  c_lane lane;
  ASSERT_NO_FATAL_FAILURE(make_lane(layers, rounding, buckets, stream(), lane));
  const placed_memory live{where(), 4};
  const auto* batch = reinterpret_cast<const std::int32_t*>(live.data());
  EXPECT_STATUS(ssugraph_lane_record(lane, 3, batch, stream()), INVALID_STATE);
  EXPECT_STATUS(ssugraph_lane_record_prologue(lane, 3, batch, stream()), INVALID_STATE);
  EXPECT_STATUS(ssugraph_lane_record_step(lane, 0, stream()), INVALID_STATE);
  const ssugraph_binding own{"layer0", "x", layers.args(0).x.data()};
  EXPECT_STATUS(ssugraph_lane_record_step_bound(lane, 0, &own, 1, stream()), INVALID_STATE);
  EXPECT_STATUS(ssugraph_lane_record_bound(lane, 3, batch, &own, 1, stream()), INVALID_STATE);
  const ssugraph_binding nameless{"layer0", nullptr, layers.args(0).x.data()};
  EXPECT_EQ(refused_argument(ssugraph_lane_record_bound(lane, 3, batch, &nameless, 1, stream())),
            "bindings[0].tensor");
  EXPECT_EQ(refused_argument(ssugraph_lane_record_step_bound(lane, 0, nullptr, 1, stream())),
            "bindings");
  ssugraph_graph_node node = nullptr;
  EXPECT_EQ(
      refused_argument(ssugraph_lane_add_child_graph(lane, nullptr, nullptr, 0, 3, batch, &node)),
      "graph");
  auto* some_graph = reinterpret_cast<ssugraph_graph>(&node);
  EXPECT_EQ(refused_argument(
                ssugraph_lane_add_child_graph(lane, some_graph, nullptr, 1, 3, batch, &node)),
            "predecessors");
  EXPECT_EQ(refused_argument(
                ssugraph_lane_add_child_graph(lane, some_graph, nullptr, 0, 3, batch, nullptr)),
            "node");
}

SSUGRAPH_ON_BOTH_TARGETS(c_pipeline_test);

/** One SSU at a time. */
class c_eager : public c_pipelines {};

TEST_P(c_eager, does_what_cpp_does) {
  const placed_stream stream{where()};
  random_engine engine{base_seed()};
  const std::string backend = on_gpu() ? "native" : "reference";
  for (int i = 0; i < case_count(40); ++i) {
    case_spec spec = random_spec(engine);
    SCOPED_TRACE(to_string(spec));
    const ssu_case test = make_case(spec, engine);
    mamba_config config = test.config;
    config.backend = backend;
    const placed_memory by_cpp{where(), test.memory};
    const placed_memory by_c{where(), test.memory};
    const placed_memory by_config{where(), test.memory};
    const auto args_on = [&](const placed_memory& memory) {
      return first_sequences(without_seed(test.args_at(memory.data())), test.batch);
    };
    ssu_dispatch expected{config, 9};
    expected.selective_state_update(args_on(by_cpp), stream.get());

    const ssugraph_config given = c_config(config);
    c_dispatch dispatch;
    ASSERT_STATUS(ssugraph_dispatch_create(&given, 9, &dispatch), SUCCESS);
    const c_args args{args_on(by_c), on_gpu()};
    EXPECT_STATUS(ssugraph_dispatch_selective_state_update(dispatch, args.get(), stream.get()),
                  SUCCESS);
    ssugraph_random_state state{};
    EXPECT_STATUS(ssugraph_dispatch_random_state(dispatch, &state), SUCCESS);
    EXPECT_EQ((random_state{state.seed, state.next_draw}), expected.random_state());

    ssu_args with_seed = args_on(by_config);
    placed_memory seed{where(), 8};
    const std::int64_t drawn = seed_draw(9, 0);
    seed.write(0, std::as_bytes(std::span{&drawn, 1}));
    const c_args unseeded{with_seed, on_gpu()};
    if (config.stochastic_rounding) {
      EXPECT_EQ(
          refused_argument(ssugraph_selective_state_update(&given, unseeded.get(), stream.get())),
          "rand_seed");
    }
    with_seed.rand_seed = {seed.data(), dtype::int64, {1}};
    const c_args seeded{with_seed, on_gpu()};
    EXPECT_STATUS(ssugraph_selective_state_update(&given, seeded.get(), stream.get()), SUCCESS);
    stream.wait();
    EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
    EXPECT_EQ(by_config.read_all(), by_cpp.read_all());
  }
}

TEST_P(c_eager, of_a_struct_of_zeros_has_no_null_block) {
  const placed_stream stream{where()};
  random_engine engine{base_seed()};
  case_spec spec;
  spec.null_block_id = -1;
  ssu_case test = make_case(spec, engine);
  const tensor_view indices = test.args_at(test.memory.data()).state_batch_indices;
  for (std::int64_t i = 0; i < test.batch; ++i) {
    std::byte* entry = indices.rank() == 1 ? address_of(indices, i) : address_of(indices, i, 0);
    store_index(entry, indices.dtype(), i);
  }
  const std::string backend = on_gpu() ? "native" : "reference";
  const placed_memory by_cpp{where(), test.memory};
  const placed_memory by_c{where(), test.memory};
  ssu_dispatch{{.backend = backend}}.selective_state_update(
      first_sequences(test.args_at(by_cpp.data()), test.batch), stream.get());
  c_args args{first_sequences(test.args_at(by_c.data()), test.batch), on_gpu()};
  args.args.has_null_block = 0;
  args.args.null_block_id = 0;
  const ssugraph_config config = c_config(backend.c_str());
  EXPECT_STATUS(ssugraph_selective_state_update(&config, args.get(), stream.get()), SUCCESS);
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
}

TEST_P(c_eager, by_the_process_wide_default) {
  const placed_stream stream{where()};
  random_engine engine{base_seed()};
  const ssu_case test = make_case(rounding_spec(), engine);
  mamba_config config = test.config;
  config.backend = on_gpu() ? "native" : "reference";
  const placed_memory by_cpp{where(), test.memory};
  const placed_memory by_c{where(), test.memory};
  ssu_dispatch{config, 3}.selective_state_update(without_seed(test.args_at(by_cpp.data())),
                                                 stream.get());
  const ssugraph_config given = c_config(config);
  ASSERT_STATUS(ssugraph_initialize_mamba_ssu_backend(&given, 3), SUCCESS);
  const c_args args{without_seed(test.args_at(by_c.data())), on_gpu()};
  ASSERT_STATUS(ssugraph_selective_state_update(nullptr, args.get(), stream.get()), SUCCESS);
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
  EXPECT_EQ(get_mamba_ssu_backend()->random_state(), (random_state{3, 1}));
}

TEST_P(c_eager, takes_options) {
  const placed_stream stream{where()};
  random_engine engine{base_seed()};
  case_spec spec;
  spec.null_block_id = -1;
  const ssu_case test = make_case(spec, engine);
  const placed_memory memory{where(), test.memory};
  ssu_args broken = first_sequences(test.args_at(memory.data()), test.batch);
  const placed_memory zeros{where(), 64};
  broken.state_batch_indices = {zeros.data(), dtype::int32, {test.batch}};
  const c_args args{broken, on_gpu()};
  const ssugraph_config config = c_config(on_gpu() ? "native" : "reference");
  const auto created = [&](ssugraph_dispatch** to, std::int32_t checked, std::int32_t early) {
    const ssugraph_eager_options options{sizeof options, checked, early};
    return ssugraph_dispatch_create_with(&config, 0, &options, to);
  };
  c_dispatch checked;
  ASSERT_STATUS(created(&checked, SSUGRAPH_TOGGLE_ON, 1), SUCCESS);
  EXPECT_EQ(
      refused_argument(ssugraph_dispatch_selective_state_update(checked, args.get(), stream.get())),
      "state_batch_indices[1]");
  c_dispatch unchecked;
  ASSERT_STATUS(created(&unchecked, SSUGRAPH_TOGGLE_OFF, 0), SUCCESS);
  EXPECT_STATUS(ssugraph_dispatch_selective_state_update(unchecked, args.get(), stream.get()),
                SUCCESS);
  stream.wait();
  c_dispatch none;
  EXPECT_EQ(refused_argument(created(&none, 3, 0)), "checked");
  EXPECT_EQ(refused_argument(created(&none, 0, 2)), "programmatic_dependent_launch");
  EXPECT_STATUS(ssugraph_dispatch_create_with(&config, 0, nullptr, &none), SUCCESS);
  const ssugraph_eager_options options{sizeof options, SSUGRAPH_TOGGLE_ON, 0};
  ASSERT_STATUS(ssugraph_initialize_mamba_ssu_backend_with(&config, 0, &options), SUCCESS);
  EXPECT_EQ(refused_argument(ssugraph_selective_state_update(nullptr, args.get(), stream.get())),
            "state_batch_indices[1]");
}

TEST_P(c_eager, launches_prepared_calls) {
  const placed_stream stream{where()};
  random_engine engine{base_seed()};
  const ssu_case test = make_case(rounding_spec(), engine);
  mamba_config config = test.config;
  config.backend = on_gpu() ? "native" : "reference";
  const placed_memory by_cpp{where(), test.memory};
  const placed_memory by_c{where(), test.memory};
  const ssu_args there = without_seed(test.args_at(by_cpp.data()));
  const ssu_args here = without_seed(test.args_at(by_c.data()));
  const ssu_call expected = ssu_dispatch{config, 3}.prepare(there);
  const ssugraph_config given = c_config(config);
  c_dispatch dispatch;
  ASSERT_STATUS(ssugraph_dispatch_create(&given, 3, &dispatch), SUCCESS);
  c_call call;
  const c_args args{there, on_gpu()};
  ASSERT_STATUS(ssugraph_call_create(dispatch, args.get(), &call), SUCCESS);
  const ssu_addresses to = ssu_dispatch{config}.prepare(here).addresses();
  ssugraph_ssu_addresses addresses{sizeof addresses,
                                   to.state,
                                   to.x,
                                   to.dt,
                                   to.A,
                                   to.B,
                                   to.C,
                                   to.D,
                                   to.z,
                                   to.dt_bias,
                                   to.out,
                                   to.state_batch_indices,
                                   to.dst_state_batch_indices,
                                   to.num_accepted_tokens,
                                   to.cu_seqlens,
                                   to.rand_seed,
                                   to.dst_state,
                                   to.state_scale,
                                   to.dst_state_scale,
                                   to.x_ring,
                                   to.B_ring,
                                   to.dt_ring,
                                   to.ring_cursor,
                                   to.ring_plan,
                                   to.rounding_key};
  for (const std::int64_t batch : {test.batch, test.batch - 1}) {
    expected.launch(expected.addresses(), batch, stream.get());
    EXPECT_STATUS(ssugraph_call_launch(call, &addresses, batch, stream.get()), SUCCESS);
  }
  stream.wait();
  EXPECT_EQ(by_c.read_all(), by_cpp.read_all());
  EXPECT_EQ(refused_argument(ssugraph_call_launch(call, &addresses, test.batch + 1, stream.get())),
            "batch");
  addresses.out = nullptr;
  EXPECT_EQ(refused_argument(ssugraph_call_launch(call, &addresses, 1, stream.get())), "out");
  EXPECT_EQ(refused_argument(ssugraph_call_launch(call, nullptr, 1, stream.get())), "addresses");
  EXPECT_EQ(refused_argument(ssugraph_call_launch(nullptr, &addresses, 1, stream.get())), "call");
}

TEST_P(c_eager, sets_the_random_state_of_a_dispatch) {
  c_dispatch dispatch;
  const ssugraph_config config = c_config("reference");
  ASSERT_STATUS(ssugraph_dispatch_create(&config, 1, &dispatch), SUCCESS);
  EXPECT_STATUS(ssugraph_dispatch_set_random_state(dispatch, {7, 8}), SUCCESS);
  ssugraph_random_state state{};
  EXPECT_STATUS(ssugraph_dispatch_random_state(dispatch, &state), SUCCESS);
  EXPECT_EQ(state.seed, 7u);
  EXPECT_EQ(state.next_draw, 8u);
  EXPECT_EQ(refused_argument(ssugraph_dispatch_random_state(dispatch, nullptr)), "state");
}

TEST_P(c_eager, asks_every_backend) {
  random_engine engine{base_seed()};
  const ssu_case test = make_case({}, engine);
  const placed_memory memory{where(), test.memory};
  const ssu_args given = first_sequences(test.args_at(memory.data()), test.batch);
  const c_args args{given, on_gpu()};
  using answers = std::vector<std::pair<std::string, std::string>>;
  answers found;
  const auto keep = [](void* user_data, const char* backend, const char* why_not) {
    static_cast<answers*>(user_data)->emplace_back(backend, why_not);
  };
  ASSERT_STATUS(ssugraph_backends_for(nullptr, args.get(), keep, &found), SUCCESS);
  answers expected;
  for (const auto& [backend, answer] : backends_for(given, {}))
    expected.emplace_back(backend, answer.why_not);
  EXPECT_EQ(found, expected);
  EXPECT_GE(found.size(), 4u);
  EXPECT_EQ(refused_argument(ssugraph_backends_for(nullptr, args.get(), nullptr, nullptr)),
            "visitor");
  const ssugraph_config other = c_config(on_gpu() ? "reference" : "triton");
  c_dispatch dispatch;
  ssugraph_status status = ssugraph_dispatch_create(&other, 0, &dispatch);
  if (status == SSUGRAPH_STATUS_SUCCESS)
    status = ssugraph_dispatch_plan(dispatch, args.get(), nullptr, 0, nullptr);
  EXPECT_EQ(status, SSUGRAPH_STATUS_UNSUPPORTED);
}

SSUGRAPH_ON_BOTH_TARGETS(c_eager);

}  // namespace
}  // namespace ssugraph::test
