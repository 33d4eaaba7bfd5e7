#include "tests/c_api/c_args.hpp"
#include "tests/support/ssu_case.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/suggest_buckets.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

/** Structs that grow, strings, flags, and what belongs to no object. */
namespace ssugraph::test {
namespace {

/** A struct in front of more memory, as a newer header would have it. */
template <class Struct>
struct grown {
  Struct known{};
  std::array<unsigned char, 64> more{};

  explicit grown(Struct from) : known{from} { known.struct_size = sizeof *this; }
};

std::string created_with(const ssugraph_config& config) {
  ssugraph_dispatch* dispatch = nullptr;
  const ssugraph_status status = ssugraph_dispatch_create(&config, 0, &dispatch);
  if (status == SSUGRAPH_STATUS_SUCCESS) {
    EXPECT_STATUS(ssugraph_dispatch_destroy(dispatch), SUCCESS);
  } else {
    EXPECT_EQ(dispatch, nullptr);
  }
  return refused_argument(status);
}

TEST(c_structs, of_a_size_that_none_has_are_refused) {
  ssugraph_config config = c_config("reference");
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, sizeof config - 4,
                                 sizeof config + 1, std::size_t{520}, ~std::size_t{0}}) {
    config.struct_size = size;
    EXPECT_EQ(created_with(config), "config.struct_size") << size;
  }
}

TEST(c_structs, whose_rounds_are_too_few_are_refused) {
  ssugraph_config config = c_config("reference");
  for (const int rounds : {1, 2, 11, -1}) {
    config.philox_rounds = rounds;
    EXPECT_EQ(created_with(config), "philox_rounds") << rounds;
  }
  config.philox_rounds = 3;
  EXPECT_EQ(created_with(config), "success");
}

TEST(c_structs, that_are_smaller_have_defaults_for_the_rest) {
  ssugraph_config config = c_config("reference");
  config.philox_rounds = 99;
  EXPECT_EQ(created_with(config), "philox_rounds");
  config.struct_size = offsetof(ssugraph_config, stochastic_rounding);
  EXPECT_EQ(created_with(config), "success");
  config.backend = "none of them";
  EXPECT_EQ(created_with(config), "backend");
  config.struct_size = sizeof config.struct_size;
  EXPECT_NE(created_with(config), "backend") << "native, which a host build lacks";
}

TEST(c_structs, that_are_larger_are_taken_if_the_rest_is_zero) {
  grown<ssugraph_config> config{c_config("reference")};
  EXPECT_EQ(created_with(config.known), "success");
  config.more.back() = 1;
  EXPECT_EQ(created_with(config.known), "config.struct_size");
  EXPECT_NE(std::string{ssugraph_last_error()}.find("byte 95 of 96"), std::string::npos)
      << ssugraph_last_error();
}

TEST(c_structs, of_results_are_filled_as_far_as_they_go) {
  float memory[8] = {};
  ssu_args args;
  args.state = {memory, dtype::float32, {1, 1, 1, 1}};
  args.x = {memory + 1, dtype::float32, {1, 1, 1}};
  args.dt = args.A = args.B = args.C = args.x;
  args.out = {memory + 2, dtype::float32, {1, 1, 1}};
  const c_args given{args};
  const std::int32_t bucket = 1;
  ssugraph_builder* builder = nullptr;
  ssugraph_pipeline* pipeline = nullptr;
  ssugraph_lane* lane = nullptr;
  ASSERT_STATUS(ssugraph_builder_create(nullptr, &bucket, 1, SSUGRAPH_TARGET_HOST, &builder),
                SUCCESS);
  ASSERT_STATUS(ssugraph_builder_ssu(builder, "layer", given.get(), nullptr), SUCCESS);
  ASSERT_STATUS(ssugraph_builder_build(builder, &pipeline), SUCCESS);
  ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, nullptr, &lane), SUCCESS);
  ASSERT_STATUS(ssugraph_lane_replay(lane, 1, nullptr), SUCCESS);

  ssugraph_lane_stats small{};
  small.struct_size = offsetof(ssugraph_lane_stats, padded_sequences);
  small.padded_sequences = 77;
  ASSERT_STATUS(ssugraph_lane_get_stats(lane, &small), SUCCESS);
  EXPECT_EQ(small.replays, 1u);
  EXPECT_EQ(small.padded_sequences, 77u) << "behind the caller's struct";
  EXPECT_EQ(small.struct_size, offsetof(ssugraph_lane_stats, padded_sequences));

  grown<ssugraph_lane_stats> large{{}};
  large.more.fill(9);
  ASSERT_STATUS(ssugraph_lane_get_stats(lane, &large.known), SUCCESS);
  EXPECT_EQ(large.known.bucket_count, 1u);
  EXPECT_EQ(std::ranges::count(large.more, 0), 64);

  ssugraph_bucket_stats of_bucket{};
  of_bucket.struct_size = 12;
  EXPECT_EQ(refused_argument(ssugraph_lane_get_bucket_stats(lane, 0, &of_bucket)),
            "stats.struct_size");
  of_bucket.struct_size = sizeof of_bucket;
  EXPECT_EQ(refused_argument(ssugraph_lane_get_bucket_stats(lane, 1, &of_bucket)), "bucket_index");
  EXPECT_EQ(refused_argument(ssugraph_lane_get_bucket_stats(lane, 0, nullptr)), "stats");
  ASSERT_STATUS(ssugraph_lane_get_bucket_stats(lane, 0, &of_bucket), SUCCESS);
  EXPECT_EQ(of_bucket.bucket, 1);
  EXPECT_EQ(of_bucket.replays, 1u);
  EXPECT_EQ(of_bucket.recorded, 1);
  EXPECT_STATUS(ssugraph_lane_destroy(lane), SUCCESS);
  EXPECT_STATUS(ssugraph_pipeline_destroy(pipeline), SUCCESS);
  EXPECT_STATUS(ssugraph_builder_destroy(builder), SUCCESS);
}

TEST(c_structs, of_arguments_are_needed) {
  const auto ignore = [](void*, const char*, const char*) {};
  EXPECT_EQ(refused_argument(ssugraph_backends_for(nullptr, nullptr, ignore, nullptr)), "args");
  EXPECT_EQ(refused_argument(ssugraph_selective_state_update(nullptr, nullptr, nullptr)), "args");
}

TEST(c_values, flags_are_0_or_1) {
  ssugraph_config config = c_config("reference");
  config.stochastic_rounding = 2;
  EXPECT_EQ(created_with(config), "stochastic_rounding");
  config.stochastic_rounding = -1;
  EXPECT_EQ(created_with(config), "stochastic_rounding");
}

TEST(c_values, strings_are_utf_8) {
  const auto backend = [](const char* name) {
    ssugraph_config config = c_config("");
    config.backend = name;
    static_cast<void>(created_with(config));
    return std::string{ssugraph_last_error()};
  };
  EXPECT_NE(backend("\xc3\xa4").find("got '\xc3\xa4'"), std::string::npos) << "is a name";
  for (const char* bad : {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf5\x80\x80\x80"})
    EXPECT_EQ(backend(bad), "backend: expected UTF-8, got other bytes");
}

TEST(c_values, text_goes_out_as_snprintf_writes_it) {
  char text[8];
  std::memset(text, '?', sizeof text);
  ssugraph_dispatch* dispatch = nullptr;
  const ssugraph_config config = c_config("reference");
  ASSERT_STATUS(ssugraph_dispatch_create(&config, 0, &dispatch), SUCCESS);
  random_engine engine{1};
  const ssu_case test = make_case({}, engine);
  arena memory = test.memory;
  const ssu_args args = first_sequences(test.args_at(memory.data()), test.batch);
  const c_args given{args};
  const std::string whole = to_string(ssu_dispatch{{.backend = "reference"}}.plan(args));
  std::size_t length = 0;
  EXPECT_STATUS(ssugraph_dispatch_plan(dispatch, given.get(), text, 6, &length), SUCCESS);
  EXPECT_EQ(length, whole.size());
  EXPECT_EQ(std::string(text, 8), whole.substr(0, 5) + std::string("\0??", 3));
  EXPECT_STATUS(ssugraph_dispatch_plan(dispatch, given.get(), text, 0, nullptr), SUCCESS);
  EXPECT_EQ(text[0], whole[0]) << "nothing was written";
  EXPECT_EQ(refused_argument(ssugraph_dispatch_plan(dispatch, given.get(), nullptr, 6, &length)),
            "text");
  EXPECT_STATUS(ssugraph_dispatch_destroy(dispatch), SUCCESS);
}

TEST(c_library, knows_its_version) {
  int major = 0, minor = 0, patch = 0;
  ASSERT_EQ(std::sscanf(ssugraph_version_string(), "%d.%d.%d", &major, &minor, &patch), 3);
  EXPECT_EQ(ssugraph_version(), major * 10000 + minor * 100 + patch);
}

TEST(c_library, has_words_for_every_status) {
  std::vector<std::string> words;
  for (int status = SSUGRAPH_STATUS_SUCCESS; status <= SSUGRAPH_STATUS_INTERNAL; ++status)
    words.emplace_back(ssugraph_status_string(status));
  std::ranges::sort(words);
  EXPECT_EQ(std::ranges::adjacent_find(words), words.end());
  EXPECT_STREQ(ssugraph_status_string(SSUGRAPH_STATUS_SUCCESS), "success");
  for (const int none : {-1, 8, 1 << 30})
    EXPECT_STREQ(ssugraph_status_string(none), "unknown status");
}

TEST(c_library, knows_whether_there_is_a_gpu) {
  std::int32_t found = 7;
  EXPECT_STATUS(ssugraph_has_cuda_device(&found), SUCCESS);
  EXPECT_EQ(found, has_cuda_device() ? 1 : 0);
  EXPECT_EQ(refused_argument(ssugraph_has_cuda_device(nullptr)), "found");
}

TEST(c_library, draws_seeds) {
  std::int64_t draw = 0;
  EXPECT_STATUS(ssugraph_seed_draw(42, 7, &draw), SUCCESS);
  EXPECT_EQ(draw, seed_draw(42, 7));
  EXPECT_EQ(refused_argument(ssugraph_seed_draw(42, 7, nullptr)), "draw");
}

TEST(c_library, makes_buckets) {
  std::array<std::int32_t, 64> buckets{};
  std::size_t count = 0;
  EXPECT_STATUS(ssugraph_buckets_powers_of_two(6, buckets.data(), buckets.size(), &count), SUCCESS);
  EXPECT_EQ(std::vector(buckets.begin(), buckets.begin() + 4), (std::vector{1, 2, 4, 6}));
  EXPECT_EQ(count, 4u);
  EXPECT_STATUS(ssugraph_buckets_serving(256, nullptr, 0, &count), SUCCESS);
  EXPECT_EQ(count, bucket_policy::serving(256).buckets().size());
  buckets.fill(-1);
  EXPECT_STATUS(ssugraph_buckets_serving(256, buckets.data(), 2, nullptr), SUCCESS);
  EXPECT_EQ(buckets[1], 2);
  EXPECT_EQ(buckets[2], -1);
  EXPECT_EQ(refused_argument(ssugraph_buckets_serving(0, nullptr, 0, &count)), "max_batch");
  EXPECT_EQ(refused_argument(ssugraph_buckets_powers_of_two(4, nullptr, 1, &count)), "buckets");
}

TEST(c_library, suggests_buckets) {
  const std::vector<std::uint64_t> histogram{0, 10, 0, 5, 1};
  const std::vector<ssugraph_bucket_time> times{{1, 10.0}, {4, 20.0}};
  std::array<std::int32_t, 8> buckets{};
  std::size_t count = 0;
  ASSERT_STATUS(ssugraph_suggest_buckets(histogram.data(), histogram.size(), 2, times.data(),
                                         times.size(), buckets.data(), buckets.size(), &count),
                SUCCESS);
  const std::vector<bucket_time> same{{1, 10.0}, {4, 20.0}};
  const bucket_policy suggested = suggest_buckets(histogram, 2, same);
  EXPECT_EQ(std::vector(buckets.begin(), buckets.begin() + static_cast<std::ptrdiff_t>(count)),
            std::vector(suggested.buckets().begin(), suggested.buckets().end()));
  EXPECT_EQ(refused_argument(ssugraph_suggest_buckets(nullptr, 3, 2, times.data(), times.size(),
                                                      nullptr, 0, &count)),
            "histogram");
  EXPECT_EQ(
      refused_argument(ssugraph_suggest_buckets(histogram.data(), histogram.size(), 0, times.data(),
                                                times.size(), nullptr, 0, &count)),
      "max_graphs");
}

TEST(c_library, hands_its_lines_to_the_sink) {
  std::string lines;
  const auto keep = [](void* user_data, const char* line) {
    *static_cast<std::string*>(user_data) += line;
  };
  ASSERT_STATUS(ssugraph_set_log_sink(keep, &lines), SUCCESS);
  const ssugraph_config config = c_config("reference");
  EXPECT_STATUS(ssugraph_initialize_mamba_ssu_backend(&config, 5), SUCCESS);
  EXPECT_NE(lines.find("reference"), std::string::npos) << lines;
  ASSERT_STATUS(ssugraph_set_log_sink(nullptr, nullptr), SUCCESS);

  ssugraph_dispatch* dispatch = nullptr;
  ASSERT_STATUS(ssugraph_get_mamba_ssu_backend(&dispatch), SUCCESS);
  ssugraph_random_state state{};
  EXPECT_STATUS(ssugraph_dispatch_random_state(dispatch, &state), SUCCESS);
  EXPECT_EQ(state.seed, 5u);
  EXPECT_STATUS(ssugraph_dispatch_destroy(dispatch), SUCCESS);
}

TEST(c_library, may_be_called_by_the_sink) {
  struct seen {
    int lines = 0;
    ssugraph_status inside = SSUGRAPH_STATUS_INTERNAL;
    ssugraph_status set = SSUGRAPH_STATUS_INTERNAL;
  } sink;
  const auto call = [](void* user_data, const char*) {
    auto& to = *static_cast<seen*>(user_data);
    ++to.lines;
    const ssugraph_config config = c_config("reference");
    to.inside = ssugraph_initialize_mamba_ssu_backend(&config, 6);
    to.set = ssugraph_set_log_sink(nullptr, nullptr);
  };
  const ssugraph_config config = c_config("reference");
  ASSERT_STATUS(ssugraph_set_log_sink(call, &sink), SUCCESS);
  EXPECT_STATUS(ssugraph_initialize_mamba_ssu_backend(&config, 5), SUCCESS);
  EXPECT_EQ(sink.inside, SSUGRAPH_STATUS_SUCCESS);
  EXPECT_EQ(sink.set, SSUGRAPH_STATUS_SUCCESS);
  EXPECT_STATUS(ssugraph_initialize_mamba_ssu_backend(&config, 5), SUCCESS);
  EXPECT_EQ(sink.lines, 1) << "it set another one";
}

TEST(c_library, keeps_each_threads_last_error) {
  EXPECT_EQ(refused_argument(ssugraph_has_cuda_device(nullptr)), "found");
  std::string other = "?";
  std::thread{[&] { other = ssugraph_last_error(); }}.join();
  EXPECT_EQ(other, "");
  std::int32_t found = 0;
  EXPECT_STATUS(ssugraph_has_cuda_device(&found), SUCCESS);
  EXPECT_STREQ(ssugraph_last_error(), "found: expected where the result goes, got null");
}

}  // namespace
}  // namespace ssugraph::test
