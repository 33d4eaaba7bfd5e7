#include "report.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace serving_loop {
namespace {

std::string content(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

/** A folder of its own, gone with the test. */
class json_report : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() /
      ("serving_loop." + std::to_string(getpid()) + "." +
       testing::UnitTest::GetInstance()->current_test_info()->name());
  const std::filesystem::path path_ = folder_ / "report.json";
};

TEST_F(json_report, leaves_nothing_behind_a_run_that_fails) {
  { const json_file file{path_}; }
  EXPECT_FALSE(std::filesystem::exists(path_));

  std::ofstream{path_} << "earlier";
  { const json_file file{path_}; }
  EXPECT_EQ(content(path_), "earlier");
}

TEST_F(json_report, replaces_what_was_there) {
  std::ofstream{path_} << "an earlier and longer report";
  json_file{path_}.write("{}\n");
  EXPECT_EQ(content(path_), "{}\n");
}

TEST_F(json_report, refuses_a_path_that_cannot_be_written) {
  EXPECT_THROW(json_file{folder_ / "absent" / "report.json"}, ssugraph::invalid_argument);
  EXPECT_THROW(json_file{folder_}, ssugraph::invalid_argument);
  EXPECT_THROW(json_file{"/dev/full"}.write("{}\n"), std::runtime_error);
}

TEST(report, measures_percentiles_and_rates) {
  serving_result result;
  result.tokens = 600;
  result.state_bytes = 1'000'000'000;
  for (int step = 1; step <= 200; ++step)
    result.times.push_back({1, double(step)});
  const speed speed = measure(result);
  EXPECT_EQ(speed.replay_p50_ms, 100);
  EXPECT_EQ(speed.replay_p99_ms, 198);
  EXPECT_EQ(speed.step_p50_ms, 101);
  EXPECT_EQ(speed.step_p99_ms, 199);
  EXPECT_DOUBLE_EQ(speed.tokens_per_second, 600 / 20.3);
  EXPECT_DOUBLE_EQ(speed.state_gigabytes_per_second, 1 / 20.1);
}

}  // namespace
}  // namespace serving_loop
