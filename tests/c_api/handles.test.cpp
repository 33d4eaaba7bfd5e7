#include "tests/c_api/c_pipelines.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

/** Handles that are none, and objects that two threads want. On the host: no GPU is concerned. */
namespace ssugraph::test {
namespace {

constexpr std::array<std::int32_t, 1> buckets{8};

/** One handle of each kind. */
class c_handles : public testing::Test {
 protected:
  void SetUp() override {
    const ssugraph_config config = c_config("reference");
    ASSERT_STATUS(ssugraph_dispatch_create(&config, 0, &dispatch_), SUCCESS);
    ASSERT_STATUS(ssugraph_builder_create(&config, buckets.data(), buckets.size(),
                                          SSUGRAPH_TARGET_HOST, &builder_),
                  SUCCESS);
    const c_args args{model_.args(0)};
    ASSERT_STATUS(ssugraph_builder_ssu(builder_, "layer0", args.get(), nullptr), SUCCESS);
    ASSERT_STATUS(ssugraph_builder_build(builder_, &pipeline_), SUCCESS);
    ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline_, nullptr, 0, nullptr, &lane_), SUCCESS);
    ASSERT_STATUS(ssugraph_staging_ring_create(64, 1, -1, &ring_), SUCCESS);
  }

  static model host_model() {
    return {target::host, make_layers(case_spec{.batch = 8, .capacity = 8}, 1), false};
  }

  model model_ = host_model();
  c_dispatch dispatch_;
  c_builder builder_;
  c_pipeline pipeline_;
  c_lane lane_;
  c_ring ring_;
};

using call = std::function<ssugraph_status(void* handle)>;

/** Every function that takes a handle, but those that destroy; all else they are given is right. */
std::vector<call> calls_on_dispatch() {
  static ssugraph_ssu_args args{};
  args.struct_size = sizeof args;
  static ssugraph_random_state state{};
  const auto of = [](void* handle) { return static_cast<ssugraph_dispatch*>(handle); };
  return {
      [=](void* h) { return ssugraph_dispatch_plan(of(h), &args, nullptr, 0, nullptr); },
      [=](void* h) { return ssugraph_dispatch_selective_state_update(of(h), &args, nullptr); },
      [=](void* h) { return ssugraph_dispatch_random_state(of(h), &state); },
      [=](void* h) { return ssugraph_dispatch_set_random_state(of(h), state); },
  };
}

std::vector<call> calls_on_builder() {
  static ssugraph_ssu_args args{};
  args.struct_size = sizeof args;
  static ssugraph_sequence_group group{};
  group.struct_size = sizeof group;
  static ssugraph_pipeline* pipeline = nullptr;
  const auto of = [](void* handle) { return static_cast<ssugraph_builder*>(handle); };
  const auto nothing = [](void*, const ssugraph_step_context*, ssugraph_stream) { return 0; };
  return {
      [=](void* h) { return ssugraph_builder_ssu(of(h), "name", &args, nullptr); },
      [=](void* h) {
        return ssugraph_builder_step(of(h), "name", nothing, nullptr, nullptr, nullptr);
      },
      [=](void* h) { return ssugraph_builder_sequences(of(h), "name", &group); },
      [=](void* h) { return ssugraph_builder_last_error(of(h), nullptr, nullptr); },
      [=](void* h) { return ssugraph_builder_rows(of(h), 0); },
      [=](void* h) { return ssugraph_builder_programmatic_dependent_launch(of(h), 1); },
      [=](void* h) { return ssugraph_builder_tuning(of(h), nullptr); },
      [=](void* h) { return ssugraph_builder_recording(of(h), nullptr); },
      [=](void* h) { return ssugraph_builder_build(of(h), &pipeline); },
  };
}

std::vector<call> calls_on_pipeline() {
  static ssugraph_lane* lane = nullptr;
  static std::size_t number = 0;
  static std::int32_t target = 0;
  static std::int64_t seeds = 0;
  static std::uint64_t bytes = 0;
  const auto of = [](void* handle) { return static_cast<ssugraph_pipeline*>(handle); };
  return {
      [=](void* h) { return ssugraph_pipeline_make_lane(of(h), nullptr, 0, nullptr, &lane); },
      [=](void* h) { return ssugraph_pipeline_step_count(of(h), &number); },
      [=](void* h) { return ssugraph_pipeline_step_index(of(h), "name", &number); },
      [=](void* h) { return ssugraph_pipeline_buckets(of(h), nullptr, 0, &number); },
      [=](void* h) { return ssugraph_pipeline_target(of(h), &target); },
      [=](void* h) { return ssugraph_pipeline_seeds_per_replay(of(h), &seeds); },
      [=](void* h) { return ssugraph_pipeline_lane_bytes(of(h), &bytes); },
      [=](void* h) { return ssugraph_pipeline_plan(of(h), 0, 0, nullptr, 0, &number); },
      [=](void* h) { return ssugraph_pipeline_timings(of(h), 0, 0, nullptr, 0, &number); },
      [=](void* h) { return ssugraph_pipeline_describe(of(h), nullptr, 0, &number); },
      [=](void* h) { return ssugraph_pipeline_describe_json(of(h), nullptr, 0, &number); },
  };
}

std::vector<call> calls_on_lane() {
  static ssugraph_random_state state{};
  static ssugraph_stream stream = nullptr;
  static ssugraph_graph_node node = nullptr;
  static ssugraph_lane_stats stats{};
  stats.struct_size = sizeof stats;
  static ssugraph_bucket_stats bucket{};
  bucket.struct_size = sizeof bucket;
  static std::size_t number = 0;
  static const std::int32_t live = 1;
  const auto of = [](void* handle) { return static_cast<ssugraph_lane*>(handle); };
  return {
      [=](void* h) { return ssugraph_lane_replay(of(h), 1, nullptr); },
      [=](void* h) { return ssugraph_lane_run_eager(of(h), 1, nullptr); },
      [=](void* h) { return ssugraph_lane_record_prologue(of(h), 8, &live, nullptr); },
      [=](void* h) { return ssugraph_lane_record_step(of(h), 0, nullptr); },
      [=](void* h) { return ssugraph_lane_record_step_bound(of(h), 0, nullptr, 0, nullptr); },
      [=](void* h) { return ssugraph_lane_record(of(h), 8, &live, nullptr); },
      [=](void* h) { return ssugraph_lane_record_bound(of(h), 8, &live, nullptr, 0, nullptr); },
      [=](void* h) {
        return ssugraph_lane_add_child_graph(of(h), nullptr, nullptr, 0, 8, &live, &node);
      },
      [=](void* h) { return ssugraph_lane_rebind(of(h), nullptr, 0, nullptr, 0, &number); },
      [=](void* h) { return ssugraph_lane_rebuild(of(h), 1); },
      [=](void* h) { return ssugraph_lane_random_state(of(h), &state); },
      [=](void* h) { return ssugraph_lane_set_random_state(of(h), state, nullptr); },
      [=](void* h) { return ssugraph_lane_move_to(of(h), nullptr); },
      [=](void* h) { return ssugraph_lane_stream(of(h), &stream); },
      [=](void* h) { return ssugraph_lane_get_stats(of(h), &stats); },
      [=](void* h) { return ssugraph_lane_get_bucket_stats(of(h), 0, &bucket); },
      [=](void* h) { return ssugraph_lane_batch_histogram(of(h), nullptr, 0, &number); },
      [=](void* h) { return ssugraph_lane_describe_json(of(h), nullptr, 0, &number); },
      [=](void* h) { return ssugraph_lane_dot(of(h), 8, nullptr, 0, &number); },
      [=](void* h) { return ssugraph_lane_time_buckets(of(h), 1, nullptr, 0, &number, nullptr); },
  };
}

std::vector<call> calls_on_ring() {
  static void* memory = nullptr;
  static std::size_t count = 0;
  const auto of = [](void* handle) { return static_cast<ssugraph_staging_ring*>(handle); };
  return {
      [=](void* h) { return ssugraph_staging_ring_begin(of(h)); },
      [=](void* h) { return ssugraph_staging_ring_take(of(h), nullptr, 0, &memory, &count); },
      [=](void* h) { return ssugraph_staging_ring_submit(of(h), nullptr); },
  };
}

/** Calls on a handle of one kind, the one that ends it last. */
struct kind {
  std::string name;
  std::vector<call> calls;
  call destroy;
};

template <class Handle>
call destroying(ssugraph_status (*function)(Handle*)) {
  return [=](void* handle) { return function(static_cast<Handle*>(handle)); };
}

std::vector<kind> kinds() {
  return {{"dispatch", calls_on_dispatch(), destroying(ssugraph_dispatch_destroy)},
          {"builder", calls_on_builder(), destroying(ssugraph_builder_destroy)},
          {"pipeline", calls_on_pipeline(), destroying(ssugraph_pipeline_destroy)},
          {"lane", calls_on_lane(), destroying(ssugraph_lane_destroy)},
          {"staging_ring", calls_on_ring(), destroying(ssugraph_staging_ring_destroy)}};
}

/** Every function refuses the handle, for that reason. */
void expect_refused(const kind& of, void* handle, const std::string& came) {
  std::vector<call> calls = of.calls;
  calls.push_back(of.destroy);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_STATUS(calls[i](handle), INVALID_ARGUMENT) << of.name << " function " << i;
    EXPECT_EQ(ssugraph_last_error(),
              of.name + ": expected a handle of a " + of.name + ", got " + came)
        << of.name << " function " << i;
  }
}

TEST_F(c_handles, that_are_null_are_refused_by_every_function) {
  for (const kind& one : kinds())
    expect_refused(one, nullptr, "null");
}

TEST_F(c_handles, that_nobody_gave_out_are_refused_by_every_function) {
  int local = 0;
  for (const kind& one : kinds()) {
    for (void* handle : {static_cast<void*>(&local), reinterpret_cast<void*>(~std::uintptr_t{0}),
                         reinterpret_cast<void*>(std::uintptr_t{2})})
      expect_refused(one, handle, "no handle of this library");
  }
}

TEST_F(c_handles, of_another_kind_are_refused_by_every_function) {
  const std::vector<std::pair<std::string, void*>> all{
      {"dispatch", static_cast<ssugraph_dispatch*>(dispatch_)},
      {"builder", static_cast<ssugraph_builder*>(builder_)},
      {"pipeline", static_cast<ssugraph_pipeline*>(pipeline_)},
      {"lane", static_cast<ssugraph_lane*>(lane_)},
      {"staging_ring", static_cast<ssugraph_staging_ring*>(ring_)}};
  for (const kind& one : kinds()) {
    for (const auto& [name, handle] : all) {
      if (name != one.name) expect_refused(one, handle, "a handle of a " + name);
    }
  }
}

TEST_F(c_handles, that_were_destroyed_are_refused_by_every_function) {
  const std::vector<void*> all{dispatch_.release(), builder_.release(), pipeline_.release(),
                               lane_.release(), ring_.release()};
  const std::vector<kind> of = kinds();
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_STATUS(of[i].destroy(all[i]), SUCCESS);
    expect_refused(of[i], all[i], "a handle that was destroyed");
  }
  SetUp();
  EXPECT_NE(static_cast<void*>(static_cast<ssugraph_lane*>(lane_)), all[3]);
  expect_refused(of[3], all[3], "a handle that was destroyed");
}

TEST_F(c_handles, may_end_in_any_order) {
  const std::vector<arena> before = model_.read();
  EXPECT_STATUS(ssugraph_builder_destroy(builder_.release()), SUCCESS);
  EXPECT_STATUS(ssugraph_pipeline_destroy(pipeline_.release()), SUCCESS);
  EXPECT_STATUS(ssugraph_lane_replay(lane_, 8, nullptr), SUCCESS);
  EXPECT_NE(model_.read(), before);
}

/** A custom step that waits inside until it is let go. */
struct gate {
  std::promise<void> entered;
  std::promise<void> let_go;
  bool ended = false;

  static int step(void* user_data, const ssugraph_step_context*, ssugraph_stream) {
    auto* self = static_cast<gate*>(user_data);
    self->entered.set_value();
    self->let_go.get_future().wait();
    return 0;
  }
  static void end(void* user_data) { static_cast<gate*>(user_data)->ended = true; }
};

class c_threads : public c_handles {
 protected:
  void SetUp() override {
    c_handles::SetUp();
    if (HasFatalFailure()) return;
    ASSERT_STATUS(ssugraph_builder_step(builder_, "gate", gate::step, &gate_, gate::end, nullptr),
                  SUCCESS);
    c_pipeline pipeline;
    ASSERT_STATUS(ssugraph_builder_build(builder_, &pipeline), SUCCESS);
    ASSERT_STATUS(ssugraph_pipeline_make_lane(pipeline, nullptr, 0, nullptr, &gated_), SUCCESS);
    EXPECT_STATUS(ssugraph_builder_destroy(builder_.release()), SUCCESS);
  }

  gate gate_;
  c_lane gated_;
};

TEST_F(c_threads, find_a_lane_in_use) {
  std::thread other{[&] { EXPECT_STATUS(ssugraph_lane_replay(gated_, 8, nullptr), SUCCESS); }};
  gate_.entered.get_future().wait();
  EXPECT_STATUS(ssugraph_lane_replay(gated_, 8, nullptr), INVALID_STATE);
  ssugraph_lane_stats stats{};
  stats.struct_size = sizeof stats;
  EXPECT_STATUS(ssugraph_lane_get_stats(gated_, &stats), INVALID_STATE);
  EXPECT_STREQ(ssugraph_last_error(), "the lane is in use by another thread; make a lane a thread");
  gate_.let_go.set_value();
  other.join();
  EXPECT_STATUS(ssugraph_lane_get_stats(gated_, &stats), SUCCESS);
  EXPECT_EQ(stats.replays, 1u);
}

TEST_F(c_threads, keep_a_lane_that_another_destroys) {
  ssugraph_lane* lane = gated_.release();
  std::thread other{[&] { EXPECT_STATUS(ssugraph_lane_replay(lane, 8, nullptr), SUCCESS); }};
  gate_.entered.get_future().wait();
  EXPECT_STATUS(ssugraph_lane_destroy(lane), SUCCESS);
  EXPECT_STATUS(ssugraph_lane_destroy(lane), INVALID_ARGUMENT);
  EXPECT_FALSE(gate_.ended);
  gate_.let_go.set_value();
  other.join();
  EXPECT_TRUE(gate_.ended);
}

/** A log sink that holds up whoever writes a line, as a build does. */
struct held_sink {
  std::promise<void> entered;
  std::promise<void> let_go;

  static void write(void* user_data, const char*) {
    auto* self = static_cast<held_sink*>(user_data);
    self->entered.set_value();
    self->let_go.get_future().wait();
  }
};

TEST_F(c_handles, of_a_builder_in_use_are_refused) {
  held_sink sink;
  ASSERT_STATUS(ssugraph_set_log_sink(held_sink::write, &sink), SUCCESS);
  c_pipeline built;
  std::thread other{[&] { EXPECT_STATUS(ssugraph_builder_build(builder_, &built), SUCCESS); }};
  sink.entered.get_future().wait();
  for (const call& one : calls_on_builder()) {
    EXPECT_STATUS(one(static_cast<ssugraph_builder*>(builder_)), INVALID_STATE);
    EXPECT_STREQ(ssugraph_last_error(),
                 "the builder is in use by another thread; use it from one thread at a time");
  }
  sink.let_go.set_value();
  other.join();
  ASSERT_STATUS(ssugraph_set_log_sink(nullptr, nullptr), SUCCESS);
  EXPECT_STATUS(ssugraph_builder_recording(builder_, nullptr), SUCCESS);
}

TEST_F(c_handles, are_given_out_and_taken_back_by_many_threads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      const ssugraph_config config = c_config("reference");
      for (int round = 0; round < 200; ++round) {
        ssugraph_dispatch* dispatch = nullptr;
        ASSERT_STATUS(ssugraph_dispatch_create(&config, 0, &dispatch), SUCCESS);
        ASSERT_STATUS(ssugraph_dispatch_set_random_state(dispatch, {1, 2}), SUCCESS);
        ASSERT_STATUS(ssugraph_dispatch_destroy(dispatch), SUCCESS);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

}  // namespace
}  // namespace ssugraph::test
