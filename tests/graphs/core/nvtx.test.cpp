#include "tests/graphs/target_suite.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/pipeline.hpp>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <nvtx3/nvtx3.hpp>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

/**
 * What a tool learns through NVTX. It is loaded once a process, so each test runs this executable
 * again with nvtx_recorder in place, and reads what that wrote.
 */
namespace ssugraph::test {
namespace {

using json = nlohmann::json;
using std::filesystem::path;

path program() {
  return std::filesystem::read_symlink("/proc/self/exe");
}

std::string quoted(const path& file) {
  return "'" + file.string() + "'";
}

void replay_some(target where) {
  const model layers{where, make_layers({.batch = 4, .capacity = 4}, 2), false};
  const placed_stream stream{place_of(where)};
  lane lane = layers.build(bucket_policy{{2, 4}}).make_lane(stream.get());
  lane.replay(1, stream.get());
  lane.replay(4, stream.get());
  lane.run_eager(3, stream.get());
  EXPECT_EQ(lane.time_buckets(1, stream.get()).size(), 2u);
}

/** What the tests below run: the library between a user's own ranges, in the program and beside. */
void replay_under_ranges(target where) {
  void* plugin = dlopen((program().parent_path() / "libnvtx_user.so").c_str(), RTLD_NOW);
  ASSERT_NE(plugin, nullptr) << dlerror();
  const auto user_range = reinterpret_cast<void (*)(void (*)())>(dlsym(plugin, "nvtx_user_range"));
  ASSERT_NE(user_range, nullptr) << dlerror();
  const nvtx3::scoped_range range{"program"};
  if (where == target::host) {
    user_range([] { replay_some(target::host); });
  } else {
    user_range([] { replay_some(target::cuda); });
  }
}

TEST(nvtx_child, DISABLED_host) {
  replay_under_ranges(target::host);
}
TEST(nvtx_child, DISABLED_cuda) {
  replay_under_ranges(target::cuda);
}

/** What the recorder wrote of one process. */
class nvtx_events {
 public:
  nvtx_events(target where, const std::string& environment) {
    const std::string name = where == target::host ? "host" : "cuda";
    const path file = path{testing::TempDir()} /
                      ("nvtx_" + name + environment + "_" + std::to_string(getpid()) + ".jsonl");
    // The child runs its one test in every shard of this run.
    const std::string command =
        "env -u GTEST_TOTAL_SHARDS -u GTEST_SHARD_INDEX NVTX_INJECTION64_PATH=" +
        quoted(program().parent_path() / "libnvtx_recorder.so") +
        " NVTX_RECORDER_FILE=" + quoted(file) + " " + environment + " " + quoted(program()) +
        " --gtest_also_run_disabled_tests --gtest_filter=nvtx_child.DISABLED_" + name +
        " > /dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    std::ifstream lines{file};
    for (std::string line; std::getline(lines, line);)
      all_.push_back(json::parse(line));
    std::filesystem::remove(file);
  }

  [[nodiscard]] std::vector<json> of(const std::string& event) const {
    std::vector<json> found;
    for (const json& one : all_) {
      if (one["event"] == event) found.push_back(one);
    }
    return found;
  }

  /** The ranges of a domain, a line each with category and payload, indented by their nesting. */
  [[nodiscard]] std::string ranges(const std::string& domain) const {
    std::string text;
    int depth = 0;
    for (const json& one : all_) {
      if (one["event"] == "push" && one["domain"] == domain) {
        text += std::string(2 * depth, ' ') + one["name"].get<std::string>() + ": " +
                category(domain, one["category"]) + ' ' + one["payload"].dump() + '\n';
        ++depth;
      }
      if (one["event"] == "pop" && one["domain"] == domain) {
        --depth;
        EXPECT_GE(depth, 0) << "a pop too many in " << domain;
      }
    }
    EXPECT_EQ(depth, 0) << "a range is left open in " << domain;
    return text;
  }

 private:
  [[nodiscard]] std::string category(const std::string& domain, const json& id) const {
    for (const json& one : of("category")) {
      if (one["domain"] == domain && one["id"] == id) return one["name"];
    }
    return "none";
  }

  std::vector<json> all_;
};

const char* const replays =
    "replay 2: replay 1\n"
    "replay 4: replay 4\n"
    "run_eager 4: eager 3\n"
    "time_buckets: tune 1\n";

TEST(nvtx, shows_builds_and_replays_of_a_host_pipeline) {
  const nvtx_events events{target::host, ""};
  EXPECT_EQ(events.ranges("ssugraph"),
            std::string{"build: build 2\nmake_lane: build 2\n"} + replays);
}

TEST(nvtx, shows_what_is_recorded_within_the_making_of_a_lane) {
  if (!has_cuda_device()) GTEST_SKIP() << "no CUDA device";
  const nvtx_events events{target::cuda, ""};
  EXPECT_EQ(
      events.ranges("ssugraph"),
      std::string{
          "build: build 2\nmake_lane: build 2\n  record 4: record 4\n  record 2: record 2\n"} +
          replays);
}

TEST(nvtx, registers_every_text_once_in_one_domain) {
  const nvtx_events events{target::host, ""};
  std::map<std::string, int> texts;
  for (const json& text : events.of("string")) {
    EXPECT_EQ(text["domain"], "ssugraph");
    ++texts[text["text"]];
  }
  for (const auto& [text, times] : texts)
    EXPECT_EQ(times, 1) << text;
  for (const json& range : events.of("push"))
    EXPECT_EQ(range["registered"], range["domain"] == "ssugraph") << range;
  int domains = 0;
  for (const json& domain : events.of("domain"))
    domains += domain["name"] == "ssugraph" ? 1 : 0;
  EXPECT_EQ(domains, 1);
}

TEST(nvtx, leaves_the_ranges_of_programs_and_plug_ins_alone) {
  for (const std::string environment : {"", "SSUGRAPH_NVTX=0"}) {
    const nvtx_events events{target::host, environment};
    EXPECT_EQ(events.of("initialise").size(), 2u) << "by the program and by its plug-in";
    EXPECT_EQ(events.ranges(""), "program: none null\n");
    EXPECT_EQ(events.ranges("plugin"), "plugin: none null\n");
  }
}

TEST(nvtx, is_silent_where_the_environment_says_so) {
  const nvtx_events events{target::host, "SSUGRAPH_NVTX=0"};
  EXPECT_EQ(events.ranges("ssugraph"), "");
  EXPECT_TRUE(events.of("string").empty());
  EXPECT_FALSE(nvtx_events(target::host, "SSUGRAPH_NVTX=1").ranges("ssugraph").empty());
}

}  // namespace
}  // namespace ssugraph::test
