#include "profiling/timeline/kernel_name.hpp"
#include "profiling/timeline/node_map.hpp"
#include "profiling/timeline/recorder.hpp"
#include "profiling/timeline/settings.hpp"
#include "profiling/timeline/summary.hpp"
#include "profiling/timeline/tests/trace_format.hpp"
#include "profiling/timeline/trace.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/** All of the timeline but CUPTI: made-up recordings. */
namespace ssugraph::timeline {
namespace {

using nlohmann::json;

TEST(kernel_name, has_its_template_arguments_and_no_others) {
  EXPECT_EQ(kernel_name("_Z3addIfEvPT_"), "void add<float>");
  EXPECT_EQ(kernel_name("_ZN12_GLOBAL__N_15emptyEv"), "(anonymous namespace)::empty");
  EXPECT_EQ(kernel_name("ssu"), "ssu");
  EXPECT_EQ(kernel_name(nullptr), "(unnamed)");
}

TEST(node_map, finds_owners_through_copies_of_copies) {
  node_map nodes{100};
  nodes.copy({1, 10}, {2, 20});
  nodes.own({1, 10}, {.bucket = 8, .step = "layer0"});
  nodes.copy({2, 20}, {3, 30});
  for (const node_key key : {node_key{1, 10}, node_key{2, 20}, node_key{3, 30}}) {
    ASSERT_NE(nodes.find(key), nullptr) << key.graph;
    EXPECT_EQ(nodes.find(key)->step, "layer0");
  }
  EXPECT_EQ(nodes.find({1, 11}), nullptr);
}

TEST(node_map, tells_nodes_of_one_number_in_two_graphs_apart) {
  node_map nodes{100};
  nodes.own({1, 7}, {.step = "a"});
  nodes.own({2, 7}, {.step = "b"});
  nodes.copy({1, 7}, {3, 7});
  nodes.copy({2, 7}, {4, 7});
  EXPECT_EQ(nodes.find({3, 7})->step, "a");
  EXPECT_EQ(nodes.find({4, 7})->step, "b");
  EXPECT_EQ(nodes.find({5, 7}), nullptr) << "a number that two graphs have says nothing";
}

TEST(node_map, knows_a_launch_by_an_executables_id_where_one_graph_has_the_node) {
  node_map nodes{100};
  nodes.own({1, 7}, {.step = "a"});
  nodes.copy({1, 7}, {2, 70});
  ASSERT_NE(nodes.find({9, 70}), nullptr);
  EXPECT_EQ(nodes.find({9, 70})->step, "a");
  nodes.copy({8, 70}, {9, 70});
  EXPECT_EQ(nodes.find({9, 70}), nullptr) << "now it is known to be another one's";
}

TEST(node_map, takes_what_was_told_last) {
  node_map nodes{100};
  nodes.own({1, 7}, {.step = "old"});
  nodes.own({1, 7}, {.step = "new"});
  EXPECT_EQ(nodes.find({1, 7})->step, "new");
}

/** A graph of `count` nodes that is recorded and instantiated: nodes 0.. of `graph`, copied to
 *  100.. of the next graph. */
void record(node_map& nodes, std::uint32_t graph, std::uint64_t count) {
  std::vector<node_key> copies;
  for (std::uint64_t node = 0; node < count; ++node) {
    nodes.own({graph, node}, {.bucket = static_cast<std::int32_t>(graph), .step = "layer"});
    copies.push_back({graph + 1, 100 + node});
    nodes.copy({graph, node}, copies.back());
  }
  nodes.instantiate(reinterpret_cast<const void*>(std::uintptr_t{graph}), copies);
}

void destroy_executable(node_map& nodes, std::uint32_t graph) {
  nodes.destroy_executable(reinterpret_cast<const void*>(std::uintptr_t{graph}));
}

TEST(node_map, forgets_graphs_and_executables_that_are_gone_however_many_come) {
  node_map nodes{50};
  record(nodes, 1, 10);
  for (std::uint32_t graph = 3; graph < 2001; graph += 2) {
    record(nodes, graph, 10);
    nodes.destroy_graph(graph);
    ASSERT_NE(nodes.find({graph + 1, 109}), nullptr) << "its executable is there";
    EXPECT_EQ(nodes.find({graph + 1, 109})->bucket, static_cast<std::int32_t>(graph));
    destroy_executable(nodes, graph);
    ASSERT_NE(nodes.find({graph + 1, 109}), nullptr) << "records may still come";
    ASSERT_LE(nodes.size(), 20u + 50u);
  }
  EXPECT_EQ(nodes.find({3, 0}), nullptr);
  ASSERT_NE(nodes.find({1, 0}), nullptr);
  EXPECT_EQ(nodes.find({2, 109})->bucket, 1) << "what lives on is not forgotten";
}

TEST(node_map, keeps_copies_of_a_graph_that_is_gone_as_long_as_their_executable) {
  node_map nodes{0};
  record(nodes, 1, 10);
  nodes.destroy_graph(1);
  nodes.destroy_graph(2);  // an executable's own graph is no reason
  EXPECT_EQ(nodes.find({1, 3}), nullptr);
  ASSERT_NE(nodes.find({2, 103}), nullptr);
  EXPECT_EQ(nodes.find({2, 103})->step, "layer");
  destroy_executable(nodes, 1);
  destroy_executable(nodes, 1);
  EXPECT_EQ(nodes.find({2, 103}), nullptr);
  EXPECT_EQ(nodes.size(), 0u);
}

TEST(node_map, forgets_single_nodes_and_those_that_nobody_owns) {
  node_map nodes{0};
  nodes.copy({1, 5}, {2, 6});
  nodes.own({3, 7}, {.step = "a"});
  nodes.destroy_node({2, 6});
  nodes.destroy_node({1, 5});
  nodes.destroy_node({1, 5});
  EXPECT_EQ(nodes.size(), 1u);
  nodes.destroy_node({3, 7});
  EXPECT_EQ(nodes.size(), 0u);
}

TEST(exclusive_times, of_apart_nested_and_overlapping_intervals) {
  const std::vector<interval> apart{{0, 10}, {20, 25}};
  EXPECT_EQ(exclusive_times(apart), (std::vector<std::uint64_t>{10, 5}));
  const std::vector<interval> overlapping{{0, 10}, {5, 15}, {15, 16}};
  EXPECT_EQ(exclusive_times(overlapping), (std::vector<std::uint64_t>{10, 5, 1}));
  const std::vector<interval> nested{{0, 10}, {2, 4}, {3, 12}};
  EXPECT_EQ(exclusive_times(nested), (std::vector<std::uint64_t>{10, 0, 2}));
  EXPECT_TRUE(exclusive_times({}).empty());
}

/** Two replays of a bucket of 4 with a prologue and two layers, the second overlapping the first; a
 *  foreign graph's kernel, and a kernel of no graph. */
struct example {
  recording recorded{.program = "example", .limit_gb_s = 3000.0};
  node_map nodes{100};

  explicit example(int layer_of_last_kernel = 1) {
    nodes.own({1, 1}, {.bucket = 4, .step = "prologue", .place = 0});
    nodes.own({1, 2}, layer(0));
    nodes.own({1, 3}, layer(layer_of_last_kernel));
    for (const std::uint64_t node : {1, 2, 3})
      nodes.copy({1, node}, {2, node + 10});
    nodes.copy({8, 1}, {9, 1});
    replay(1000, 100, 4);
    replay(20000, 101, 3);
    recorded.device.push_back({.time = {30000, 31000},
                               .name = "theirs",
                               .graph = 9,
                               .node = 1,
                               .correlation = 102,
                               .owner = nodes.find({9, 1})});
    recorded.device.push_back({.time = {32000, 34000}, .name = "alone", .correlation = 103});
    recorded.ranges.push_back(
        {.time = {400, 40000}, .thread = 7, .domain = "engine", .name = "serve"});
  }

  static node_owner layer(int which) {
    return {.bucket = 4,
            .step = "layer" + std::to_string(which),
            .layer = which,
            .plan = "native:vector",
            .bytes = 4'000'000,
            .bytes_a_sequence = 900'000,
            .place = static_cast<std::size_t>(1 + which)};
  }

  void replay(std::uint64_t at, std::uint32_t correlation, std::int64_t batch) {
    recorded.ranges.push_back({.time = {at - 500, at - 100},
                               .thread = 7,
                               .domain = "ssugraph",
                               .name = "replay 4",
                               .category = "replay",
                               .payload = batch});
    recorded.launches.push_back({.time = {at - 400, at - 200},
                                 .thread = 7,
                                 .name = "cudaGraphLaunch",
                                 .correlation = correlation,
                                 .batch = batch});
    const auto kernel = [&](std::uint64_t node, std::uint64_t begin, std::uint64_t end) {
      recorded.device.push_back({.time = {at + begin, at + end},
                                 .name = "kernel" + std::to_string(node),
                                 .stream = 13,
                                 .graph = 2,
                                 .node = node + 10,
                                 .correlation = correlation,
                                 .owner = nodes.find({2, node + 10})});
    };
    kernel(1, 0, 1000);
    kernel(2, 1200, 4200);
    kernel(3, 3000, 7200);
  }
};

TEST(attribution, gives_events_their_steps_batches_and_bytes) {
  const example example;
  const std::vector<attributed_event> events = attribute(example.recorded);
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events[0].owner->step, "prologue");
  EXPECT_EQ(events[0].bytes, 0);
  EXPECT_EQ(events[1].owner->step, "layer0");
  EXPECT_EQ(events[1].batch, 4);
  EXPECT_EQ(events[1].bytes, 4'000'000);
  EXPECT_EQ(events[4].batch, 3);
  EXPECT_EQ(events[4].bytes, 3'100'000) << "one sequence is padding";
  EXPECT_EQ(events[2].exclusive, 3000u) << "what layer0 runs is not layer1's";
  EXPECT_EQ(events[6].kin, kinship::unattributed);
  EXPECT_EQ(events[7].kin, kinship::outside);
}

TEST(attribution, takes_the_batch_by_the_drivers_correlation_too) {
  example example;
  for (host_launch& launch : example.recorded.launches)
    launch.inner_correlation = std::exchange(launch.correlation, launch.correlation + 500);
  EXPECT_EQ(attribute(example.recorded)[4].batch, 3);
}

TEST(summary, adds_up_to_the_span) {
  const example example;
  const summary summary = summarise(attribute(example.recorded));
  EXPECT_DOUBLE_EQ(summary.span_us, 33.0);
  double sum = summary.gap_us + summary.gap_in_replays_us;
  for (const summary_row& row : summary.rows)
    sum += row.exclusive_us;
  EXPECT_NEAR(sum, summary.span_us, 1e-6);
  EXPECT_NEAR(summary.gap_in_replays_us, 0.4, 1e-9);
  EXPECT_EQ(summary.attributed, 6u);
  EXPECT_EQ(summary.unattributed, 1u);
  EXPECT_EQ(summary.outside, 1u);
}

TEST(summary, has_a_row_a_step_in_the_order_of_the_graph) {
  const example example;
  const summary summary = summarise(attribute(example.recorded));
  std::string order;
  for (const summary_row& row : summary.rows)
    order += row.bucket + " " + row.step + "; ";
  EXPECT_EQ(order, "4 prologue; 4 layer0; 4 layer1;  (unattributed);  (outside graphs); ");
  const summary_row& layer0 = summary.rows[1];
  EXPECT_EQ(layer0.calls, 2u);
  EXPECT_DOUBLE_EQ(layer0.median_us, 3.0);
  EXPECT_DOUBLE_EQ(layer0.exclusive_us, 6.0);
  EXPECT_NEAR(layer0.gb_s, 7.1e6 / 6e3, 1e-6);
  EXPECT_NEAR(layer0.share, 6.0 / 33.0, 1e-9);
}

TEST(summary, counts_all_kernels_of_a_step_as_one_call) {
  const example example{0};
  const summary summary = summarise(attribute(example.recorded));
  EXPECT_EQ(summary.rows[1].calls, 2u);
  EXPECT_DOUBLE_EQ(summary.rows[1].median_us, 6.0);
  EXPECT_NEAR(summary.rows[1].gb_s, 7.1e6 / 12e3, 1e-6) << "its bytes count once a replay";
}

TEST(summary, adds_up_for_random_intervals_on_two_devices) {
  std::mt19937 random{1};
  recording recorded;
  for (std::uint32_t i = 0; i < 500; ++i) {
    const std::uint64_t begin = random() % 100'000;
    recorded.device.push_back({.time = {begin, begin + random() % 1000},
                               .device = static_cast<std::uint32_t>(random() % 2),
                               .graph = static_cast<std::uint32_t>(random() % 3),
                               .node = random() % 5,
                               .correlation = i / 3});
  }
  const summary summary = summarise(attribute(recorded));
  double sum = summary.gap_us + summary.gap_in_replays_us;
  for (const summary_row& row : summary.rows)
    sum += row.exclusive_us;
  EXPECT_NEAR(sum, summary.span_us, 1e-6);
}

TEST(summary, prints_rows_gaps_and_counts) {
  example example;
  example.recorded.dropped = 12;
  const std::string text = to_text(summarise(attribute(example.recorded)), example.recorded);
  EXPECT_NE(text.find("     4  layer0 "), std::string::npos) << text;
  EXPECT_NE(text.find("gap in replays"), std::string::npos) << text;
  EXPECT_NE(text.find("6 of steps, 1 of graphs but unattributed, 1 outside graphs; 12 dropped"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("The limit is 3000 GB/s."), std::string::npos) << text;
}

TEST(summary, of_nothing_is_printed_too) {
  const recording nothing;
  const std::string text = to_text(summarise({}), nothing);
  EXPECT_NE(text.find("0 of steps"), std::string::npos) << text;
}

json trace_of(const recording& recorded) {
  std::ostringstream out;
  write_trace(out, recorded, attribute(recorded));
  return json::parse(out.str());
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text += line + '\n';
  return text;
}

TEST(trace, keeps_to_the_format) {
  const example example;
  EXPECT_EQ(joined(test::problems_of(trace_of(example.recorded))), "");
  EXPECT_EQ(joined(test::problems_of(trace_of({}))), "");
}

TEST(trace, keeps_to_the_format_whatever_overlaps) {
  std::mt19937 random{2};
  recording recorded;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const std::uint64_t begin = random() % 10'000;
    const interval time{begin, begin + random() % 1000};
    const auto thread = static_cast<std::uint32_t>(random() % 3);
    recorded.device.push_back({.time = time, .name = "k\xff", .stream = thread});
    recorded.ranges.push_back({.time = time, .thread = thread, .name = std::to_string(i)});
    recorded.launches.push_back({.time = time, .thread = thread, .name = "launch"});
  }
  EXPECT_EQ(joined(test::problems_of(trace_of(recorded))), "");
}

TEST(trace, tells_each_kernel_of_a_replay_its_step) {
  const example example;
  const json trace = trace_of(example.recorded);
  int layers = 0;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] != "X" || event["name"] != "layer1") continue;
    const json& args = event["args"];
    EXPECT_EQ(event["cat"], "step");
    EXPECT_EQ(args["bucket"], 4);
    EXPECT_EQ(args["layer"], 1);
    EXPECT_EQ(args["plan"], "native:vector");
    EXPECT_EQ(args["bytes"], args["batch"] == 4 ? 4'000'000 : 3'100'000);
    EXPECT_NEAR(args["share_of_limit"], args["bytes"].get<double>() / 3000.0 / 3000.0, 1e-9);
    ++layers;
  }
  EXPECT_EQ(layers, 2);
}

TEST(trace, nests_launches_in_ranges) {
  const example example;
  std::string host;
  const json trace = trace_of(example.recorded);
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "B") host += event["name"].get<std::string>() + "(";
    if (event["ph"] == "E") host += ")";
  }
  EXPECT_EQ(host, "serve(replay 4(cudaGraphLaunch())replay 4(cudaGraphLaunch()))");
}

TEST(trace_format, complains_of_what_breaks_it) {
  const auto problems = [](const std::string& events) {
    return test::problems_of(json::parse(R"({"traceEvents": [)" + events + "]}")).size();
  };
  const std::string begin = R"({"name": "a", "ph": "B", "pid": 1, "tid": 1, "ts": 5})";
  const std::string end = R"({"name": "a", "ph": "E", "pid": 1, "tid": 1, "ts": 6})";
  EXPECT_EQ(problems(begin + "," + end), 0u);
  EXPECT_EQ(problems(begin), 1u) << "no end";
  EXPECT_EQ(problems(end), 1u) << "no begin";
  EXPECT_EQ(problems(begin + R"(,{"name": "b", "ph": "E", "pid": 1, "tid": 1, "ts": 6})"), 1u);
  EXPECT_EQ(problems(begin + R"(,{"name": "a", "ph": "E", "pid": 1, "tid": 1, "ts": 4})"), 1u)
      << "time falls";
  EXPECT_EQ(problems(R"({"name": "a", "ph": "X", "pid": 1, "tid": 1, "ts": 5})"), 1u);
  EXPECT_EQ(problems(R"({"name": "a", "ph": "?", "pid": 1, "tid": 1, "ts": 5})"), 1u);
  EXPECT_EQ(problems(R"({"name": 1, "ph": "B", "pid": 1, "tid": 1, "ts": 5})"), 1u);
  EXPECT_EQ(problems(R"({"name": "a", "ph": "B", "pid": "1", "tid": 1, "ts": 5})"), 1u);
  EXPECT_EQ(problems(R"({"name": "thread_name", "ph": "M", "pid": 1, "tid": 1})"), 1u);
  EXPECT_EQ(problems(R"({"name": "a", "ph": "X", "pid": 1, "tid": 1, "ts": 5, "dur": 4},
                        {"name": "b", "ph": "X", "pid": 1, "tid": 1, "ts": 7, "dur": 4})"),
            1u)
      << "overlaps";
  EXPECT_FALSE(test::problems_of(json::array()).empty());
}

TEST(recorder, counts_what_it_cannot_keep) {
  recorder recorder{2};
  for (int i = 0; i < 5; ++i)
    recorder.add(device_event{});
  recorder.add(host_range{});
  recorder.drop(10);
  const recording recorded = recorder.take();
  EXPECT_EQ(recorded.device.size(), 2u);
  EXPECT_EQ(recorded.ranges.size(), 1u);
  EXPECT_EQ(recorded.dropped, 13u);
}

TEST(recorder, attributes_what_comes_before_a_graph_is_gone_and_late) {
  recorder recorder{2};
  const auto replay = [&] { recorder.add(device_event{.graph = 1, .node = 7}); };
  recorder.change_nodes([](node_map& nodes) { nodes.own({1, 7}, {.step = "layer"}); });
  replay();
  recorder.change_nodes([](node_map& nodes) { nodes.destroy_graph(1); });
  replay();
  recorder.change_nodes([](node_map& nodes) {
    for (std::uint32_t graph = 2; graph < 100; ++graph) {
      nodes.own({graph, 8}, {.step = "other"});
      nodes.destroy_graph(graph);
    }
  });
  const recording recorded = recorder.take();
  EXPECT_EQ(recorded.nodes, 2u) << "as many as events";
  ASSERT_EQ(recorded.device.size(), 2u);
  for (const device_event& event : recorded.device) {
    ASSERT_NE(event.owner, nullptr);
    EXPECT_EQ(event.owner->step, "layer");
  }
}

settings read(const std::map<std::string, std::string>& environment) {
  const auto get = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  };
  return read_settings(get, 42);
}

TEST(settings, are_read_from_the_environment) {
  EXPECT_EQ(read({}).trace_file, "timeline-42.json");
  EXPECT_EQ(read({}).table_file, "timeline-42.txt");
  const settings given = read({{"SSUGRAPH_TIMELINE", "/tmp/x"},
                               {"SSUGRAPH_TIMELINE_EVENTS", "10"},
                               {"SSUGRAPH_TIMELINE_GB_S", "2990.5"}});
  EXPECT_EQ(given.trace_file, "/tmp/x");
  EXPECT_EQ(given.table_file, "/tmp/x.txt");
  EXPECT_EQ(given.most_events, 10u);
  EXPECT_DOUBLE_EQ(given.limit_gb_s, 2990.5);
  EXPECT_THROW(read({{"SSUGRAPH_TIMELINE_EVENTS", "-1"}}), std::invalid_argument);
  EXPECT_THROW(read({{"SSUGRAPH_TIMELINE_EVENTS", "many"}}), std::invalid_argument);
  EXPECT_THROW(read({{"SSUGRAPH_TIMELINE_GB_S", "0"}}), std::invalid_argument);
}

/** The traces that the pictures are made of, as a GPU's runs wrote them. */
TEST(kept_traces, keep_to_the_format_and_attribute_every_kernel_of_a_graph) {
  const std::filesystem::path folder{SSUGRAPH_KEPT_TRACES};
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  int traces = 0;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() != ".json") continue;
    ++traces;
    std::ifstream file{entry.path()};
    const json trace = json::parse(file);
    EXPECT_EQ(joined(test::problems_of(trace)), "") << entry.path();
    for (const json& event : trace["traceEvents"])
      EXPECT_NE(event.value("cat", ""), "unattributed") << entry.path() << event;
  }
  EXPECT_GT(traces, 0) << "none in " << folder;
}

}  // namespace
}  // namespace ssugraph::timeline
