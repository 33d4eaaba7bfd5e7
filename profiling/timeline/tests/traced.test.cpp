#include "profiling/timeline/tests/trace_format.hpp"

#include <ssugraph/device.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

/** decode_step on a GPU with the timeline in it. */
namespace ssugraph::timeline {
namespace {

using nlohmann::json;
using std::filesystem::path;

constexpr int steps = 3;
constexpr int layers = 24;

class traced_program : public testing::Test {
 protected:
  /** Runs decode_step and reads what was written. */
  void trace(const std::string& environment, int rebinds = 0) {
    if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
    const path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const path file = path{testing::TempDir()} / ("timeline_" + std::to_string(getpid()) + ".json");
    const path errors = path{file}.replace_extension(".err");
    const std::string command =
        "CUDA_INJECTION64_PATH='" + (here / "libtimeline.so").string() + "' SSUGRAPH_TIMELINE='" +
        file.string() + "' " + environment + " '" + (here / "decode_step").string() + "' " +
        std::to_string(steps) + " " + std::to_string(rebinds) + " 2> '" + errors.string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    said_ = text_of(errors);
    trace_ = json::parse(text_of(file));
    table_ = text_of(path{file}.replace_extension(".txt"));
    for (const char* extension : {".json", ".txt", ".err"})
      std::filesystem::remove(path{file}.replace_extension(extension));
  }

  static std::string text_of(const path& file) {
    std::ifstream stream{file};
    EXPECT_TRUE(stream) << file;
    return {std::istreambuf_iterator<char>{stream}, {}};
  }

  [[nodiscard]] std::vector<json> events(const std::string& category) const {
    std::vector<json> found;
    for (const json& event : trace_["traceEvents"]) {
      if (event["ph"] == "X" && event["cat"] == category) found.push_back(event);
    }
    return found;
  }

  json trace_;
  std::string table_;
  std::string said_;
};

TEST_F(traced_program, shows_every_kernel_of_a_replay_under_its_step) {
  trace("");
  if (IsSkipped()) return;
  std::string problems;
  for (const std::string& problem : test::problems_of(trace_))
    problems += problem + '\n';
  EXPECT_EQ(problems, "");
  EXPECT_TRUE(events("unattributed").empty()) << events("unattributed").front();
  const std::vector<json> of_steps = events("step");
  EXPECT_EQ(of_steps.size(), steps * (1u + layers));
  for (const json& kernel : of_steps) {
    const json& args = kernel["args"];
    EXPECT_EQ(args["bucket"], 1) << kernel;
    EXPECT_EQ(args["batch"], 1) << kernel;
    if (kernel["name"] == "prologue") continue;
    EXPECT_EQ(kernel["name"], "layer " + std::to_string(args["layer"].get<int>()));
    EXPECT_GT(args["bytes"], 2 * 128 * 64 * 128 * 2) << "the state, read and written";
    EXPECT_GT(args["share_of_limit"], 0.0);
  }
  EXPECT_GE(events("outside graphs").size(), 2u * steps * layers) << "the eager steps";
  EXPECT_EQ(trace_["otherData"]["dropped"], 0);
  EXPECT_NE(table_.find("layer 23"), std::string::npos) << table_;
}

TEST_F(traced_program, forgets_nodes_that_are_gone_and_no_others) {
  constexpr std::size_t most = 2000;
  constexpr int rebinds = 150;  // each with graphs of three times the nodes
  trace("SSUGRAPH_TIMELINE_EVENTS=" + std::to_string(most), rebinds);
  if (IsSkipped()) return;
  EXPECT_TRUE(events("unattributed").empty()) << events("unattributed").front();
  EXPECT_EQ(events("step").size(), 2u * steps * (1u + layers)) << "those behind the rebinds, too";
  const auto nodes = trace_["otherData"]["graph_nodes"].get<std::size_t>();
  EXPECT_LE(nodes, most + 4 * (1u + layers)) << "the live ones, and as many gone ones as events";
}

TEST_F(traced_program, has_times_that_add_up_to_the_span) {
  trace("");
  if (IsSkipped()) return;
  std::vector<std::pair<double, double>> times;
  double sum = 0.0;
  for (const json& event : trace_["traceEvents"]) {
    if (event["ph"] != "X") continue;
    times.emplace_back(event["ts"], event["ts"].get<double>() + event["dur"].get<double>());
    sum += event["args"]["exclusive_us"].get<double>();
  }
  std::ranges::sort(times);
  double covered_to = times.front().first;
  for (const auto& [begin, end] : times) {
    sum += std::max(0.0, begin - covered_to);
    covered_to = std::max(covered_to, end);
  }
  const double span = covered_to - times.front().first;
  EXPECT_NEAR(sum, span, 0.03 * span);
}

TEST_F(traced_program, shows_replays_and_their_launches_on_the_host) {
  trace("");
  if (IsSkipped()) return;
  int replays = 0;
  int launches_in_replays = 0;
  bool in_replay = false;
  for (const json& event : trace_["traceEvents"]) {
    const std::string phase = event["ph"];
    if (event["name"] == "replay 1" && phase == "B") {
      ++replays;
      EXPECT_EQ(event["args"]["payload"], 1);
    }
    if (event["name"] == "replay 1") in_replay = phase == "B";
    if (phase == "B" && event.value("cat", "") == "launch" && in_replay) ++launches_in_replays;
  }
  EXPECT_EQ(replays, steps);
  EXPECT_EQ(launches_in_replays, steps);
}

TEST_F(traced_program, says_what_was_dropped) {
  trace("SSUGRAPH_TIMELINE_EVENTS=10");
  if (IsSkipped()) return;
  EXPECT_NE(said_.find("records dropped"), std::string::npos) << said_;
  EXPECT_GT(trace_["otherData"]["dropped"], 0);
  EXPECT_TRUE(test::problems_of(trace_).empty());
}

TEST_F(traced_program, runs_on_where_nothing_can_be_traced) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::string command = "CUDA_INJECTION64_PATH='" + (here / "libtimeline.so").string() +
                              "' SSUGRAPH_TIMELINE=/absent/trace.json '" +
                              (here / "decode_step").string() + "' 1 2> /dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace ssugraph::timeline
