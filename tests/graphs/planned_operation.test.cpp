#include "graphs/builder.hpp"
#include "tests/graphs/scale_out/scale_out.hpp"
#include "tests/graphs/target_suite.hpp"
#if SSUGRAPH_CUDA
#include "tests/graphs/step_kernels.hpp"
#endif

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/** An operation that graphs/ has never heard of, as a planned step: scale_out, between SSU layers.
 */
namespace ssugraph::test {
namespace {

constexpr std::int64_t batch = 6;
constexpr std::int64_t nheads = 4;
constexpr std::int64_t dim = 16;
constexpr std::array factors{0.5f, -3.0f};

std::vector<ssu_case> cases() {
  case_spec spec;
  spec.batch = batch;
  spec.capacity = batch;
  spec.nheads = nheads;
  spec.dim = dim;
  return make_layers(spec, 2);
}

/** `out` of a layer as rows of channels. */
tensor_view rows_of(const tensor_view& out) {
  return {out.data(), out.dtype(), {out.extent(0), nheads * dim}};
}

tensor_view at(const placed_memory& memory, std::size_t float_index) {
  return {memory.data() + float_index * sizeof(float), dtype::float32, {1}};
}

/** Two layers with the scale of the first one's `out` between them, which the second one reads. */
class planned_operation : public target_suite {
 protected:
  planned_operation() {
    if (on_gpu() && !has_cuda_device()) return;
    factors_.emplace(where(), sizeof factors);
    factors_->write(0, std::as_bytes(std::span{factors}));
    layers_ = std::make_unique<model>(GetParam(), cases(), true);
    before_ = layers_->read();
  }

  [[nodiscard]] pipeline_builder builder(int launches) const {
    pipeline_builder builder{{}, bucket_policy{{2, batch}}, GetParam()};
    builder.recording({.checked = false}).ssu("first", layers_->args(0));
    detail::pipeline_draft::of(builder).add("scale", false, [&] {
      return check_scale_out(rows_of(layers_->args(0).out), at(*factors_, 0), launches);
    });
    return builder.ssu("second", layers_->args(1));
  }

  /** What the layers hold after `call`, from their first contents. */
  std::vector<arena> after(lane& lane, lane_call call, std::int32_t live,
                           const placed_stream& stream) const {
    layers_->write(before_);
    run(lane, call, live, stream.get());
    stream.wait();
    return layers_->read();
  }
  std::vector<arena> after(pipeline_builder from, lane_call call, std::int32_t live) const {
    const placed_stream stream{where()};
    lane lane = from.build().make_lane(stream.get());
    return after(lane, call, live, stream);
  }

  /** `out` of the first layer, of what `after` returned. */
  [[nodiscard]] std::vector<float> first_out(const std::vector<arena>& contents) const {
    const auto offset =
        static_cast<const std::byte*>(layers_->args(0).out.data()) - layers_->memory(0).data();
    std::vector<float> values(batch * nheads * dim);
    std::memcpy(values.data(), contents[0].data() + offset, values.size() * sizeof(float));
    return values;
  }

  std::optional<placed_memory> factors_;
  std::unique_ptr<model> layers_;
  std::vector<arena> before_;
};

TEST_P(planned_operation, runs_eagerly_by_its_plan) {
  const auto step = check_scale_out(rows_of(layers_->args(0).out), at(*factors_, 1), 2);
  const placed_stream stream{where()};
  // 0xff, which out holds, is no number: give it some.
  std::vector<float> given(batch * nheads * dim);
  for (std::size_t i = 0; i < given.size(); ++i)
    given[i] = static_cast<float>(i) / 8;
  const auto offset =
      static_cast<const std::byte*>(layers_->args(0).out.data()) - layers_->memory(0).data();
  layers_->memory(0).write(static_cast<std::size_t>(offset), std::as_bytes(std::span{given}));
  step->plan(batch)->enqueue(step->traits().tensors, stream.get());
  stream.wait();
  const std::vector<float> scaled = first_out(layers_->read());
  for (std::size_t i = 0; i < given.size(); ++i)
    ASSERT_EQ(scaled[i], given[i] * factors[1]) << i;
}

TEST_P(planned_operation, runs_where_it_stands_replayed_and_eager) {
  pipeline_builder without{{}, bucket_policy{{2, batch}}, GetParam()};
  without.ssu("first", layers_->args(0)).ssu("second", layers_->args(1));
  for (const std::int32_t live : {1, 2, 5, 6}) {
    const std::vector<float> unscaled = first_out(after(without, lane_call::replay, live));
    const std::vector<arena> expected = after(builder(1), lane_call::run_eager, live);
    const std::vector<float> scaled = first_out(expected);
    const std::int64_t rows = live <= 2 ? 2 : batch;
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows * nheads * dim); ++i)
      ASSERT_EQ(scaled[i], unscaled[i] * factors[0]) << i;
    for (const int launches : {1, 2}) {
      for (const bool overlap : {true, false}) {
        pipeline_builder other = builder(launches);
        other.programmatic_dependent_launch(overlap);
        EXPECT_TRUE(after(other, lane_call::replay, live) == expected) << launches << overlap;
        EXPECT_TRUE(after(other, lane_call::run_eager, live) == expected) << launches << overlap;
      }
    }
  }
}

TEST_P(planned_operation, is_described_beside_the_layers) {
  const pipeline built = builder(2).build();
  EXPECT_NE(built.describe().find("scale: scale halves, 6 sequences"), std::string::npos)
      << built.describe();
  const auto steps = nlohmann::json::parse(built.describe_json())["steps"];
  EXPECT_EQ(steps[1]["kind"], "scale_out");
  EXPECT_EQ(steps[1]["problem"], "scale_out of 64 channels");
  EXPECT_EQ(steps[1]["plans"][0]["launches"], 2);
  EXPECT_EQ(steps[1]["plans"][1]["bucket"], batch);
  EXPECT_THROW((void)built.plan(1, 0), invalid_argument) << "it has no plan of an SSU";
  EXPECT_NO_THROW((void)built.plan(2, 0));
}

TEST_P(planned_operation, takes_another_address_by_name) {
  const placed_stream stream{where()};
  lane lane = builder(1).build().make_lane(stream.get());
  const std::vector<float> once = first_out(after(lane, lane_call::replay, batch, stream));
  const auto outcomes =
      lane.rebind(std::vector<binding>{{"scale", "factor", at(*factors_, 1).data()}});
  EXPECT_EQ(outcomes, (std::vector{rebind_outcome::updated, rebind_outcome::updated}));
  const std::vector<float> again = first_out(after(lane, lane_call::replay, batch, stream));
  for (std::size_t i = 0; i < once.size(); ++i)
    ASSERT_EQ(again[i], once[i] / factors[0] * factors[1]) << i;
  EXPECT_THROW((void)lane.rebind(std::vector<binding>{{"scale", "state", factors_->data()}}),
               invalid_argument);
}

/** Without indices or counts of its own, it goes with steps of any mode, in any place, checked too.
 */
TEST_P(planned_operation, stands_among_steps_of_several_tokens) {
  case_spec spec;
  spec.mode = ssu_mode::varlen;
  spec.has_cu_seqlens = true;
  spec.max_seqlen = 3;
  spec.batch = batch;
  spec.capacity = batch;
  spec.nheads = nheads;
  spec.dim = dim;
  model several{GetParam(), make_layers(spec, 1), false};
  const auto before = several.read();
  const placed_stream stream{where()};
  const auto run_with = [&](bool checked, lane_call call) {
    pipeline_builder builder{{}, bucket_policy{{2, batch}}, GetParam()};
    builder.recording({.checked = checked});
    const auto scale = [&] {
      return check_scale_out(rows_of(several.args(0).out), at(*factors_, 0));
    };
    detail::pipeline_draft::of(builder).add("in front", false, scale);
    builder.ssu("layer", several.args(0));
    detail::pipeline_draft::of(builder).add("behind", false, scale);
    lane lane = builder.build().make_lane(stream.get());
    several.write(before);
    run(lane, call, 5, stream.get());
    stream.wait();
    EXPECT_EQ(lane.stats().buckets.size(), 2u);
    return several.read();
  };
  const auto expected = run_with(false, lane_call::run_eager);
  EXPECT_TRUE(expected != before);
  EXPECT_TRUE(run_with(false, lane_call::replay) == expected);
  EXPECT_TRUE(run_with(true, lane_call::replay) == expected);
}

TEST_P(planned_operation, has_all_rows_of_the_largest_bucket_or_is_named) {
  pipeline_builder short_of_rows = builder(1);
  const tensor_view out = rows_of(layers_->args(1).out).with_extent(0, batch - 1);
  detail::pipeline_draft::of(short_of_rows).add("short", false, [&] {
    return check_scale_out(out, at(*factors_, 0));
  });
  try {
    (void)short_of_rows.build();
    FAIL() << "no error";
  } catch (const invalid_argument& error) {
    EXPECT_EQ(error.argument(), "short.out");
  }
}

TEST_P(planned_operation, has_plans_that_compare) {
  const auto step = check_scale_out(rows_of(layers_->args(0).out), at(*factors_, 0));
  EXPECT_TRUE(step->plan(2)->equals(*step->plan(2)));
  EXPECT_FALSE(step->plan(2)->equals(*step->plan(3)));
  EXPECT_FALSE(step->plan(2)->equals(*step->plan(2, {"scale", "halves"})));
  EXPECT_EQ(step->plan(2)->bytes(3, 3), 3 * nheads * dim * 8 + 4);
}

TEST_P(planned_operation, refuses_what_it_cannot_scale) {
  pipeline_builder refusing = builder(1);
  const auto refused = [&](const tensor_view& out, const tensor_view& factor) -> std::string {
    try {
      detail::pipeline_draft::of(refusing).add("other", false,
                                               [&] { return check_scale_out(out, factor); });
    } catch (const invalid_argument& error) {
      return error.argument();
    }
    return "no error";
  };
  const tensor_view out = rows_of(layers_->args(0).out);
  EXPECT_EQ(refused({out.data(), dtype::bfloat16, {batch, 8}}, at(*factors_, 0)), "other.out");
  EXPECT_EQ(refused(out, {}), "other.factor");
  EXPECT_EQ(refusing.build().step_count(), 3u);
}

SSUGRAPH_ON_BOTH_TARGETS(planned_operation);

#if SSUGRAPH_CUDA

/** Its edges in the graph of the smallest bucket, by the steps that they join. */
std::vector<std::string> edges_of(const std::string& description) {
  const auto described = nlohmann::json::parse(description);
  const auto& graph = described["graphs"][0];
  std::vector<std::string> edges;
  for (const auto& edge : graph["edges"]) {
    const auto step_at = [&](const char* end) {
      return graph["nodes"][edge[end].get<std::size_t>()]["step"].get<std::string>();
    };
    edges.push_back(step_at("from") + " " + edge["type"].get<std::string>() + " " + step_at("to"));
  }
  return edges;
}

class planned_kernels : public planned_operation {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    if (!can_overlap()) GTEST_SKIP() << "no programmatic dependent launch here";
  }

  /** `target`, of which a float is written slowly in front of every step. */
  void expect_same_while_written(void* target, const placed_stream& stream) const {
    constexpr std::array values{0.25f, 0.75f};
    placed_memory sources{where(), sizeof values};
    sources.write(0, std::as_bytes(std::span{values}));
    for (const int launches : {1, 2}) {
      std::vector<std::vector<arena>> results;
      for (const bool overlap : {false, true}) {
        pipeline_builder builder{{}, bucket_policy{{batch}}, GetParam()};
        builder.programmatic_dependent_launch(overlap);
        for (const std::size_t i : {0u, 1u}) {
          builder.step("slow" + std::to_string(i),
                       [=, &sources](const step_context&, stream_handle on) {
                         enqueue_slow_copy(target, sources.data() + i * sizeof(float),
                                           sizeof(float), 60, {.triggers = true}, on);
                       },
                       {.writes = {{{target, sizeof(float)}}}, .triggers_early = true});
          builder.ssu("first" + std::to_string(i), layers_->args(0), {.shares_state = true});
          detail::pipeline_draft::of(builder).add("scale" + std::to_string(i), false, [&] {
            return check_scale_out(rows_of(layers_->args(0).out), at(*factors_, 0), launches);
          });
          builder.ssu("second" + std::to_string(i), layers_->args(1), {.shares_state = true});
        }
        layers_->write(before_);
        lane lane = builder.build().make_lane(stream.get());
        for (int replay = 0; replay < 10; ++replay)
          lane.replay(batch, stream.get());
        stream.wait();
        results.push_back(layers_->read());
      }
      EXPECT_TRUE(results[0] == results[1]) << launches;
    }
  }
};

TEST_P(planned_kernels, have_programmatic_edges_to_both_sides) {
  const placed_stream stream{where()};
  EXPECT_EQ(edges_of(builder(1).build().make_lane(stream.get()).describe_json()),
            (std::vector<std::string>{"prologue full first", "first programmatic scale",
                                      "scale programmatic second"}));
  EXPECT_EQ(edges_of(builder(2).build().make_lane(stream.get()).describe_json()),
            (std::vector<std::string>{"prologue full first", "first programmatic scale",
                                      "scale programmatic scale", "scale programmatic second"}));
}

/** The launches behind may start while a step of the user's still writes what they read: each of
 *  them something of its own, and something else in every replay. */
TEST_P(planned_kernels, wait_for_what_they_read) {
  const placed_stream stream{where()};
  for (void* const read :
       std::vector<void*>{layers_->args(0).x.data(), factors_->data(), layers_->args(1).dt.data()})
    expect_same_while_written(read, stream);
}
INSTANTIATE_TEST_SUITE_P(, planned_kernels, testing::Values(target::cuda), target_name);

#endif

}  // namespace
}  // namespace ssugraph::test
