#include "tests/c_api/c_pipelines.hpp"
#include "tests/support/few_allocations.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <vector>

/**
 * Every allocation of a host pipeline's life fails once, and each time nothing else goes wrong.
 * JSON is left out: the destructor of nlohmann's allocates.
 */
namespace ssugraph::test {
namespace {

/** Calls with ever more memory until it is enough. The number of times that it was not. */
int failures_of(const std::function<ssugraph_status()>& call) {
  for (int allowed = 0;; ++allowed) {
    const ssugraph_status status = [&] {
      const few_allocations memory{allowed};
      return call();
    }();
    if (status == SSUGRAPH_STATUS_SUCCESS) return allowed;
    EXPECT_EQ(status, SSUGRAPH_STATUS_OUT_OF_MEMORY) << ssugraph_last_error();
    EXPECT_STRNE(ssugraph_last_error(), "");
    if (status != SSUGRAPH_STATUS_OUT_OF_MEMORY || allowed == 10000) return -1;
  }
}

int copies(void*, const ssugraph_step_context*, ssugraph_stream) {
  return 0;
}

TEST(c_out_of_memory, leaves_a_status_and_all_as_it_was) {
  const std::vector<ssu_case> layers = make_layers(rounding_spec(), 1);
  const model by_cpp{target::host, layers, false};
  const model by_c{target::host, layers, false};
  const std::array<std::int32_t, 2> buckets{3, 8};
  const mamba_config rounding{.stochastic_rounding = true};
  const ssugraph_config config = c_config(rounding);
  const c_args args{by_c.args(0)};
  ssugraph_dispatch* dispatch = nullptr;
  ssugraph_builder* builder = nullptr;
  ssugraph_pipeline* pipeline = nullptr;
  ssugraph_lane* lane = nullptr;
  ssugraph_staging_ring* ring = nullptr;
  const auto ignore = [](void*, const char*, const char*) {};
  ASSERT_STATUS(ssugraph_set_log_sink([](void*, const char*) {}, nullptr), SUCCESS);

  const ssugraph_config reference = c_config("reference");
  EXPECT_GT(failures_of([&] { return ssugraph_dispatch_create(&reference, 0, &dispatch); }), 0);
  EXPECT_GT(failures_of(
                [&] { return ssugraph_dispatch_plan(dispatch, args.get(), nullptr, 0, nullptr); }),
            0);
  EXPECT_GT(
      failures_of([&] { return ssugraph_backends_for(nullptr, args.get(), ignore, nullptr); }), 0);
  EXPECT_GT(failures_of([&] {
              return ssugraph_builder_create(&config, buckets.data(), buckets.size(),
                                             SSUGRAPH_TARGET_HOST, &builder);
            }),
            0);
  EXPECT_GT(
      failures_of([&] { return ssugraph_builder_ssu(builder, "layer0", args.get(), nullptr); }), 0);
  EXPECT_GT(failures_of([&] {
              return ssugraph_builder_step(builder, "a step with a long name", copies, nullptr,
                                           nullptr, nullptr);
            }),
            0);
  EXPECT_GT(failures_of([&] { return ssugraph_builder_build(builder, &pipeline); }), 0);
  EXPECT_GT(failures_of(
                [&] { return ssugraph_pipeline_make_lane(pipeline, nullptr, 0, nullptr, &lane); }),
            0);
  std::size_t length = 0;
  EXPECT_GT(failures_of([&] { return ssugraph_pipeline_describe(pipeline, nullptr, 0, &length); }),
            0);
  const ssugraph_binding binding{"layer0", "out", by_c.args(0).out.data()};
  EXPECT_GT(
      failures_of([&] { return ssugraph_lane_rebind(lane, &binding, 1, nullptr, 0, nullptr); }), 0);
  EXPECT_GT(failures_of([&] { return ssugraph_lane_batch_histogram(lane, nullptr, 0, &length); }),
            0);
  EXPECT_GT(failures_of([&] { return ssugraph_staging_ring_create(64, 2, -1, &ring); }), 0);
  ssugraph_staging_ring* large = nullptr;
  EXPECT_STATUS(ssugraph_staging_ring_create(std::size_t{1} << 63, 1, -1, &large), OUT_OF_MEMORY);
  EXPECT_EQ(large, nullptr);

  ssugraph::lane expected =
      by_cpp.build(bucket_policy{{buckets.begin(), buckets.end()}}).make_lane(nullptr);
  expected.replay(5, nullptr);
  EXPECT_STATUS(ssugraph_lane_replay(lane, 5, nullptr), SUCCESS);
  EXPECT_EQ(by_c.read(), by_cpp.read());
  EXPECT_STATUS(ssugraph_staging_ring_destroy(ring), SUCCESS);
  EXPECT_STATUS(ssugraph_lane_destroy(lane), SUCCESS);
  EXPECT_STATUS(ssugraph_pipeline_destroy(pipeline), SUCCESS);
  EXPECT_STATUS(ssugraph_builder_destroy(builder), SUCCESS);
  EXPECT_STATUS(ssugraph_dispatch_destroy(dispatch), SUCCESS);
  ASSERT_STATUS(ssugraph_set_log_sink(nullptr, nullptr), SUCCESS);
}

}  // namespace
}  // namespace ssugraph::test
