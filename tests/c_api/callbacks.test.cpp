#include "tests/c_api/c_pipelines.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

/** Custom steps as C functions. */
namespace ssugraph::test {
namespace {

constexpr std::array<std::int32_t, 2> buckets{3, 8};
const mamba_config rounding{.stochastic_rounding = true};

/** What a step shows, copied out by itself: counts, seeds, and the indices of 8 sequences. */
struct sighting {
  std::int32_t live_sequences;
  std::int32_t live_rows;
  std::int32_t first_row;
  std::int64_t seeds[2];
  std::byte indices[8 * 8 * 3];
  std::byte boundaries[8 * 9];
};

class c_callbacks : public c_pipelines {
 protected:
  void SetUp() override {
    target_suite::SetUp();
    if (IsSkipped()) return;
    stream_.emplace(where());
    layers_.emplace(GetParam(), make_layers(rounding_spec(), 1), false);
  }

  [[nodiscard]] stream_handle stream() const { return stream_->get(); }

  /** A builder with one layer, and a step of this function behind it. */
  ssugraph_status add(c_builder& builder, ssugraph_step_function function, void* user_data,
                      const ssugraph_step_options* options = nullptr,
                      ssugraph_destroy_function destroy = nullptr) {
    create(builder, rounding, buckets);
    add_layer(builder, *layers_, 0);
    return ssugraph_builder_step(builder, "mine", function, user_data, destroy, options);
  }

  /** What making a lane of it, or else its first replay, comes to. */
  ssugraph_status recorded(const c_builder& builder, c_lane& lane) {
    c_pipeline pipeline;
    ssugraph_status status = ssugraph_builder_build(builder, &pipeline);
    if (status != SSUGRAPH_STATUS_SUCCESS) return status;
    status = ssugraph_pipeline_make_lane(pipeline, nullptr, 0, stream(), &lane);
    if (status != SSUGRAPH_STATUS_SUCCESS || on_gpu()) return status;
    return ssugraph_lane_replay(lane, 8, stream());
  }

  std::optional<placed_stream> stream_;
  std::optional<model> layers_;
};

/** Where a C step puts what it sees. */
struct eye {
  sighting* to;
  ssugraph_step_context last;
  std::array<DLTensor, 4> tensors;  ///< copies: their shapes are gone
  std::array<std::int64_t, 2> shape;
  place where;
};

int see(void* user_data, const ssugraph_step_context* context, ssugraph_stream stream) {
  auto* self = static_cast<eye*>(user_data);
  self->last = *context;
  const auto copy = [&](auto& field, const void* from, std::size_t bytes) {
    if (bytes > 0) enqueue_copy(self->where, &field, from, bytes, stream);
  };
  const auto copy_all = [&](auto& field, const DLTensor* tensor, DLTensor& kept) {
    if (tensor == nullptr) return;
    kept = *tensor;
    std::size_t bytes = tensor->dtype.bits / 8;
    for (int axis = 0; axis < tensor->ndim; ++axis)
      bytes *= static_cast<std::size_t>(tensor->shape[axis]);
    copy(field, tensor->data, bytes);
  };
  copy(self->to->live_sequences, context->live_sequences, sizeof(std::int32_t));
  copy(self->to->live_rows, context->live_rows, sizeof(std::int32_t));
  copy(self->to->first_row, context->first_row, sizeof(std::int32_t));
  copy(self->to->seeds, context->seeds, context->seed_count * sizeof(std::int64_t));
  copy_all(self->to->indices, context->state_batch_indices, self->tensors[0]);
  copy_all(self->to->boundaries, context->cu_seqlens, self->tensors[1]);
  return 0;
}

sighting read_sighting(const placed_memory& memory) {
  sighting seen{};
  memory.read(0, std::as_writable_bytes(std::span{&seen, 1}));
  return seen;
}

TEST_P(c_callbacks, see_what_steps_of_cpp_see) {
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::varlen}) {
    SCOPED_TRACE(to_string(mode));
    const auto cases = make_layers(rounding_spec(mode), 1);
    const model by_cpp{GetParam(), cases, false};
    const model by_c{GetParam(), cases, false};
    const placed_memory seen_by_cpp{where(), sizeof(sighting)};
    const placed_memory seen_by_c{where(), sizeof(sighting)};

    pipeline_builder cpp_builder = by_cpp.builder(bucket_policy{{buckets.begin(), buckets.end()}});
    step_context expected;
    cpp_builder.step(
        "mine",
        [&](const step_context& context, stream_handle on) {
          expected = context;
          auto* to = reinterpret_cast<sighting*>(seen_by_cpp.data());
          const auto copy = [&](auto& field, const tensor_view& view) {
            const auto bytes = static_cast<std::size_t>(view.size() * size_of(view.dtype()));
            if (bytes > 0) enqueue_copy(where(), &field, view.data(), bytes, on);
          };
          enqueue_copy(where(), &to->live_sequences, context.live_sequences, 4, on);
          enqueue_copy(where(), &to->live_rows, context.live_rows, 4, on);
          enqueue_copy(where(), &to->first_row, context.first_row, 4, on);
          enqueue_copy(where(), &to->seeds, context.seeds.data(), context.seeds.size_bytes(), on);
          copy(to->indices, context.state_batch_indices);
          copy(to->boundaries, context.cu_seqlens);
        },
        {.seeds = 2, .scratch_bytes = 100});
    lane cpp_lane = cpp_builder.build().make_lane(stream());

    c_builder builder;
    ASSERT_NO_FATAL_FAILURE(create(builder, rounding, buckets));
    ASSERT_NO_FATAL_FAILURE(add_layer(builder, by_c, 0));
    eye watching{reinterpret_cast<sighting*>(seen_by_c.data()), {}, {}, {}, where()};
    ssugraph_step_options options{};
    options.struct_size = sizeof options;
    options.seeds = 2;
    options.scratch_bytes = 100;
    ASSERT_STATUS(ssugraph_builder_step(builder, "mine", see, &watching, nullptr, &options),
                  SUCCESS);
    c_lane lane;
    ASSERT_NO_FATAL_FAILURE(make_lane(builder, stream(), lane));

    for (const std::int32_t batch : {2, 8, 5}) {
      cpp_lane.replay(batch, stream());
      ASSERT_STATUS(ssugraph_lane_replay(lane, batch, stream()), SUCCESS);
      stream_->wait();
      const sighting seen = read_sighting(seen_by_c);
      const sighting same = read_sighting(seen_by_cpp);
      EXPECT_EQ(std::memcmp(&seen, &same, sizeof seen), 0) << batch;
      EXPECT_EQ(seen.live_sequences, batch);
    }
    EXPECT_EQ(watching.last.struct_size, sizeof watching.last);
    EXPECT_EQ(watching.last.bucket, expected.bucket);
    EXPECT_EQ(watching.last.rows, expected.rows);
    EXPECT_EQ(watching.last.null_block_id, expected.null_block_id);
    EXPECT_EQ(watching.last.seed_count, 2u);
    EXPECT_EQ(watching.last.scratch_bytes, expected.scratch.size());
    EXPECT_NE(watching.last.scratch, nullptr);
    EXPECT_EQ(watching.last.dst_state_batch_indices, nullptr);
    EXPECT_EQ(watching.last.num_accepted_tokens, nullptr);
    EXPECT_EQ(watching.last.cu_seqlens == nullptr, mode == ssu_mode::plain);
    EXPECT_EQ(watching.tensors[0].device.device_type, on_gpu() ? kDLCUDA : kDLCPU);
    EXPECT_EQ(watching.tensors[0].dtype.code, kDLInt);
    EXPECT_EQ(watching.tensors[0].dtype.bits, 32);
  }
}

TEST_P(c_callbacks, that_fail_are_named_with_their_bucket) {
  c_builder builder;
  const auto fails = [](void*, const ssugraph_step_context*, ssugraph_stream) { return -7; };
  ASSERT_STATUS(add(builder, fails, nullptr), SUCCESS);
  c_lane lane;
  EXPECT_STATUS(recorded(builder, lane), CALLBACK_FAILED);
  EXPECT_STREQ(ssugraph_last_error(), "the callback of step 'mine' of bucket 8 returned -7");
}

TEST_P(c_callbacks, that_throw_are_caught) {
  struct throwing {
    const char* what;
    ssugraph_step_function function;
    ssugraph_status status;
  };
  const std::array<throwing, 5> all{{
      {"bad_alloc",
       [](void*, const ssugraph_step_context*, ssugraph_stream) -> int { throw std::bad_alloc{}; },
       SSUGRAPH_STATUS_OUT_OF_MEMORY},
      {"length_error",
       [](void*, const ssugraph_step_context*, ssugraph_stream) -> int {
         throw std::length_error{"too long"};
       },
       SSUGRAPH_STATUS_OUT_OF_MEMORY},
      {"runtime_error",
       [](void*, const ssugraph_step_context*, ssugraph_stream) -> int {
         throw std::runtime_error{"something"};
       },
       SSUGRAPH_STATUS_INTERNAL},
      {"a number", [](void*, const ssugraph_step_context*, ssugraph_stream) -> int { throw 3; },
       SSUGRAPH_STATUS_INTERNAL},
      {"unsupported",
       [](void*, const ssugraph_step_context*, ssugraph_stream) -> int {
         throw unsupported{{{"mine", "no"}}};
       },
       SSUGRAPH_STATUS_UNSUPPORTED},
  }};
  for (const throwing& one : all) {
    c_builder builder;
    ASSERT_STATUS(add(builder, one.function, nullptr), SUCCESS);
    c_lane lane;
    EXPECT_EQ(recorded(builder, lane), one.status) << one.what << ": " << ssugraph_last_error();
    EXPECT_STRNE(ssugraph_last_error(), "");
  }
}

int counted(void* user_data, const ssugraph_step_context* context, ssugraph_stream stream) {
  auto* to = static_cast<std::byte*>(user_data);
  const place where =
      context->state_batch_indices->device.device_type == kDLCPU ? place::host : place::device;
  enqueue_copy(where, to, context->live_sequences, 4, stream);
  return 0;
}

int ended = 0;
void end(void*) {
  ++ended;
}

TEST_P(c_callbacks, end_their_data_once_with_the_last_that_needs_it) {
  ended = 0;
  const placed_memory memory{where(), 64};
  c_lane lane;
  {
    c_builder builder;
    ASSERT_STATUS(add(builder, counted, memory.data(), nullptr, end), SUCCESS);
    EXPECT_EQ(refused_argument(
                  ssugraph_builder_step(builder, "mine", counted, memory.data(), end, nullptr)),
              "name");
    EXPECT_EQ(ended, 0) << "a refused step leaves its data with the caller";
    ASSERT_STATUS(recorded(builder, lane), SUCCESS);
  }
  EXPECT_EQ(ended, 0) << "the lane lives";
  EXPECT_STATUS(ssugraph_lane_destroy(lane.release()), SUCCESS);
  EXPECT_EQ(ended, 1);
}

void end_and_throw(void*) {
  ++ended;
  throw std::runtime_error{"the data of a step"};
}

TEST_P(c_callbacks, end_their_data_though_that_throws) {
  ended = 0;
  const placed_memory memory{where(), 64};
  c_builder builder;
  ASSERT_STATUS(add(builder, counted, memory.data(), nullptr, end_and_throw), SUCCESS);
  EXPECT_STATUS(ssugraph_builder_destroy(builder.release()), SUCCESS);
  EXPECT_EQ(ended, 1);
}

TEST_P(c_callbacks, have_options_that_are_checked) {
  const auto refused = [&](auto change) {
    ssugraph_step_options options{};
    options.struct_size = sizeof options;
    change(options);
    c_builder builder;
    return refused_argument(add(builder, counted, nullptr, &options));
  };
  ssugraph_byte_range range{reinterpret_cast<void*>(~std::uintptr_t{0}), 1};
  EXPECT_EQ(refused([](auto& o) { o.seeds = -1; }), "mine.seeds");
  EXPECT_EQ(refused([](auto& o) { o.warm_up = 2; }), "warm_up");
  EXPECT_EQ(refused([](auto& o) { o.triggers_early = 2; }), "triggers_early");
  EXPECT_EQ(refused([](auto& o) { o.triggers_early = 1; }), "mine.triggers_early");
  EXPECT_EQ(refused([](auto& o) { o.write_count = 1; }), "writes");
  EXPECT_EQ(refused([&](auto& o) {
              o.writes = &range;
              o.write_count = 1;
            }),
            "mine.writes");
  range = {&range, sizeof range};
  EXPECT_EQ(refused([&](auto& o) {
              o.writes = &range;
              o.write_count = 1;
              o.triggers_early = 1;
            }),
            "success");
  EXPECT_EQ(refused([&](auto& o) {
              o.writes = &range;  // and none of them: the step writes nothing
              o.triggers_early = 1;
            }),
            "success");
  c_builder builder;
  EXPECT_EQ(refused_argument(add(builder, nullptr, nullptr)), "function");
}

TEST_P(c_callbacks, name_both_functions_of_a_runtime_or_none) {
  c_builder builder;
  create(builder, rounding, buckets);
  const ssugraph_last_error_function some = [] { return 0; };
  EXPECT_STATUS(ssugraph_builder_last_error(builder, some, nullptr), INVALID_ARGUMENT);
  EXPECT_NE(std::string{ssugraph_last_error()}.find("get"), std::string::npos);
  EXPECT_STATUS(ssugraph_builder_last_error(builder, nullptr, some), INVALID_ARGUMENT);
  EXPECT_NE(std::string{ssugraph_last_error()}.find("peek"), std::string::npos);
  EXPECT_STATUS(ssugraph_builder_last_error(builder, some, some), SUCCESS);
  EXPECT_STATUS(ssugraph_builder_last_error(builder, nullptr, nullptr), SUCCESS);
}

SSUGRAPH_ON_BOTH_TARGETS(c_callbacks);

}  // namespace
}  // namespace ssugraph::test
