#include "tests/graphs/target_suite.hpp"
#if SSUGRAPH_CUDA
#include "tests/graphs/step_kernels.hpp"

#include <cuda_runtime_api.h>
#endif

#include <ssugraph/ssugraph.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

/**
 * What is recorded, compared with what was reviewed: files in tests/graphs/described. A change that
 * is meant is written there by running these tests with SSUGRAPH_WRITE_DESCRIBED=1 and reviewed as
 * part of its commit.
 */
namespace ssugraph::test {
namespace {

using json = nlohmann::ordered_json;

void expect_as_reviewed(const std::string& name, const std::string& description) {
  const std::string file = SSUGRAPH_SOURCE_DIR "/tests/graphs/record/described/" + name + ".json";
  if (std::getenv("SSUGRAPH_WRITE_DESCRIBED") != nullptr) {
    std::ofstream{file} << description << '\n';
  }
  std::ifstream stream{file};
  ASSERT_TRUE(stream) << file << " is missing; SSUGRAPH_WRITE_DESCRIBED=1 writes it";
  std::ostringstream reviewed;
  reviewed << stream.rdbuf();
  EXPECT_EQ(description + '\n', reviewed.str()) << file;
}

std::vector<ssu_case> cases(ssu_mode mode) {
  case_spec spec;
  spec.mode = mode;
  spec.max_seqlen = mode == ssu_mode::plain ? 1 : 3;
  spec.has_dst = mode == ssu_mode::speculative;
  spec.batch = 8;
  spec.capacity = 8;
  spec.nheads = 2;
  spec.dim = 64;
  spec.dstate = 128;
  spec.state_dtype = dtype::bfloat16;
  spec.io_dtype = dtype::bfloat16;
  spec.stochastic_rounding = true;
  return make_layers(spec, 4);
}

const bucket_policy buckets{{2, 8}};

/** What is compared, whatever the library was built with. */
const recording_options unchecked{.checked = false};

TEST(described, of_a_host_pipeline_is_as_reviewed) {
  model layers{target::host, cases(ssu_mode::speculative), false};
  pipeline_builder builder = layers.builder(buckets).recording(unchecked);
  builder.step("mine", [](const step_context&, stream_handle) {},
               {.seeds = 2, .scratch_bytes = 100, .writes = {{{&layers, 64}}}});
  const pipeline built = builder.build();
  const lane lane = built.make_lane(nullptr);
  expect_as_reviewed("host", lane.describe_json());
  const json whole = json::parse(lane.describe_json());
  json without_lane = whole;
  without_lane.erase("own_bytes");
  without_lane.erase("graphs");
  EXPECT_EQ(json::parse(built.describe_json()), without_lane);
  EXPECT_TRUE(whole["graphs"].empty());
  EXPECT_THROW((void)lane.dot(8), invalid_state);
  EXPECT_THROW((void)lane.dot(7), invalid_argument);
}

TEST(described, in_text_names_every_step) {
  model layers{target::host, cases(ssu_mode::plain), false};
  pipeline_builder builder = layers.builder(buckets);
  const auto nothing = [](const step_context&, stream_handle) {};
  builder.step("mine", nothing, {.seeds = 2});
  builder.step(
      "all", nothing,
      {.scratch_bytes = 100, .writes = {{{&layers, 64}}}, .triggers_early = true, .warm_up = true});
  builder.ssu("again", layers.args(0), {.shares_state = true});
  const std::string text = builder.build().describe();
  EXPECT_EQ(std::ranges::count(text, '\n'), 5 * 2 + 2);
  EXPECT_NE(text.find("layer3: reference"), std::string::npos) << text;
  EXPECT_NE(text.find("mine: custom, 2 seeds, declares no writes\n"), std::string::npos) << text;
  EXPECT_NE(text.find("all: custom, 0 seeds, declares what it writes, triggers early, "
                      "100 bytes of scratch, warms up\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(", shares its state\n"), std::string::npos) << text;
}

TEST(described, in_json_whatever_bytes_a_name_has) {
  model layers{target::host, cases(ssu_mode::plain), false};
  pipeline_builder builder = layers.builder(buckets);
  builder.step("mine\xff", [](const step_context&, stream_handle) {});
  const json described = json::parse(builder.build().describe_json());
  EXPECT_EQ(described["steps"][4]["name"], "mine\uFFFD");
}

#if SSUGRAPH_CUDA

/** On a GPU that runs our code for 9.0, where kernels may overlap. */
class described_graphs : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    if (!can_overlap()) GTEST_SKIP() << "no programmatic dependent launch here";
  }

  /** The edges of every bucket, in the order of their nodes: `f` full, `p` programmatic. */
  static std::string edges_of(const lane& lane) {
    std::string all;
    const json described = json::parse(lane.describe_json());
    for (const json& graph : described["graphs"]) {
      for (const json& edge : graph["edges"]) {
        EXPECT_LT(edge["from"], edge["to"]) << "not in topological order";
        all += edge["type"] == "full" ? 'f' : 'p';
      }
      all += ' ';
    }
    return all;
  }

  static std::string edges_of(pipeline_builder builder) {
    const placed_stream stream{place::device};
    return edges_of(builder.recording(unchecked).build().make_lane(stream.get()));
  }
};

TEST_F(described_graphs, have_a_programmatic_edge_between_each_two_layers) {
  const model layers{target::cuda, cases(ssu_mode::plain), false};
  EXPECT_EQ(edges_of(layers.builder(buckets)), "fppp fppp ");
  EXPECT_EQ(edges_of(layers.builder(buckets).programmatic_dependent_launch(false)), "ffff ffff ");
}

TEST_F(described_graphs, overlap_behind_a_custom_step_only_where_that_is_proved) {
  const model layers{target::cuda, cases(ssu_mode::plain), false};
  const placed_memory memory{place::device, 1024};
  const auto edges = [&](overlap how, step_options options) {
    pipeline_builder builder{{.stochastic_rounding = true}, bucket_policy{{8}}};
    builder.ssu("first", layers.args(0));
    builder.step(
        "mine",
        [&](const step_context&, stream_handle stream) {
          enqueue_slow_copy(memory.data(), memory.data() + 512, 256, 0, how, stream);
        },
        std::move(options));
    builder.ssu("second", layers.args(1));
    return edges_of(builder);
  };
  const std::vector<byte_range> writes{{memory.data(), 256}};
  EXPECT_EQ(edges({}, {}), "fff ") << "nothing declared";
  EXPECT_EQ(edges({}, {.writes = writes}), "ffp ");
  EXPECT_EQ(edges({.triggers = true}, {.writes = writes, .triggers_early = true}), "ffp ");
  EXPECT_EQ(edges({.launched_early = true}, {.writes = writes}), "fpf ")
      << "a kernel that starts early and promises nothing";
  EXPECT_EQ(
      edges({.launched_early = true, .triggers = true}, {.writes = writes, .triggers_early = true}),
      "fpp ");
}

TEST_F(described_graphs, are_as_reviewed) {
  const placed_stream stream{place::device};
  const placed_memory memory{place::device, 1024};
  for (const ssu_mode mode : {ssu_mode::plain, ssu_mode::speculative}) {
    const model layers{target::cuda, cases(mode), false};
    pipeline_builder builder = layers.builder(buckets).recording(unchecked);
    builder.step("copies",
                 [&](const step_context&, stream_handle on) {
                   for (const int at : {256, 512})
                     enqueue_copy(place::device, memory.data(), memory.data() + at, 128, on);
                 },
                 {.seeds = 1, .scratch_bytes = 1000});
    lane lane = builder.build().make_lane(stream.get());
    expect_as_reviewed("native_" + to_string(mode), lane.describe_json());
    const std::string dot = lane.dot(8);
    EXPECT_NE(dot.find("digraph bucket_8"), std::string::npos);
    EXPECT_NE(dot.find("\"layer3\""), std::string::npos);
    EXPECT_NE(dot.find("\"copies (memcpy)\""), std::string::npos);
    EXPECT_NE(dot.find("n1 -> n2 [style=dashed]"), std::string::npos);
  }
}

TEST_F(described_graphs, are_the_same_for_other_addresses) {
  const placed_stream stream{place::device};
  const model one{target::cuda, cases(ssu_mode::plain), false};
  const model other{target::cuda, cases(ssu_mode::plain), false};
  EXPECT_EQ(one.build(buckets).make_lane(stream.get()).describe_json(),
            other.build(buckets).make_lane(stream.get()).describe_json());
}

/** Where a layer comes to share a state it may read less ahead, and its blocks change. */
TEST_F(described_graphs, tell_what_a_rebind_made_of_them) {
  const placed_stream stream{place::device};
  const model layers{target::cuda, cases(ssu_mode::plain), false};
  ssu_args shared = layers.args(1);
  shared.state = layers.args(0).state;
  const auto built_on = [&](const ssu_args& second) {
    pipeline_builder builder{{.stochastic_rounding = true}, buckets};
    builder.ssu("first", layers.args(0)).ssu("second", second, {.shares_state = true});
    return builder.build().make_lane(stream.get());
  };
  lane rebound = built_on(layers.args(1));
  const std::string before = rebound.describe_json();
  (void)rebound.rebind(std::vector<binding>{{"second", "state", shared.state.data()}});
  EXPECT_EQ(rebound.describe_json(), built_on(shared).describe_json());
  EXPECT_NE(rebound.describe_json(), before);
}

#endif

}  // namespace
}  // namespace ssugraph::test
