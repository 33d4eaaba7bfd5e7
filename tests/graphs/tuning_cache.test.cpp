#include "graphs/tuning_cache.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace ssugraph::test {
namespace {

using detail::timing_table;
using detail::tuning_cache;
using detail::tuning_machine;

class tuning_file : public testing::Test {
 protected:
  tuning_file() {
    set_log_sink([this](std::string_view line) { log_.emplace_back(line); });
    std::filesystem::remove(file_);
  }
  ~tuning_file() override {
    set_log_sink({});
    std::filesystem::remove(file_);
  }

  void write(const std::string& text) const { std::ofstream{file_} << text; }
  [[nodiscard]] std::string read() const {
    std::ifstream stream{file_};
    return {std::istreambuf_iterator<char>{stream}, {}};
  }
  void keep_one(const tuning_machine& machine, double median_us) const {
    tuning_cache cache{file_, machine};
    cache.keep("problem", 8, {{"native", "vector", median_us, 0.5, {}}});
    cache.save();
  }
  [[nodiscard]] timing_table found(const tuning_machine& machine) const {
    return tuning_cache{file_, machine}.find("problem", 8);
  }

  const std::filesystem::path file_ =
      std::filesystem::path{testing::TempDir()} /
      ("ssugraph_" + std::string{testing::UnitTest::GetInstance()->current_test_info()->name()} +
       ".json");
  const tuning_machine here_{"GPU A", "580.1", "0.1.0"};
  std::vector<std::string> log_;
};

TEST_F(tuning_file, gives_back_what_was_kept) {
  keep_one(here_, 2.5);
  const timing_table table = found(here_);
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table[0].backend, "native");
  EXPECT_EQ(table[0].algorithm, "vector");
  EXPECT_EQ(table[0].median_us, 2.5);
  EXPECT_EQ(table[0].limit_share, 0.5);
  const tuning_cache cache{file_, here_};
  EXPECT_TRUE(cache.find("problem", 16).empty());
  EXPECT_TRUE(cache.find("another", 8).empty());
  EXPECT_TRUE(log_.empty());
}

TEST_F(tuning_file, keeps_the_times_of_other_gpus) {
  const tuning_machine other{"GPU B", "580.1", "0.1.0"};
  keep_one(here_, 1.0);
  keep_one(other, 2.0);
  EXPECT_EQ(found(here_).at(0).median_us, 1.0);
  EXPECT_EQ(found(other).at(0).median_us, 2.0);
  EXPECT_TRUE(log_.empty());
}

TEST_F(tuning_file, leaves_stale_times_aside_with_one_warning) {
  keep_one(here_, 1.0);
  for (const tuning_machine& later :
       {tuning_machine{"GPU A", "590.0", "0.1.0"}, tuning_machine{"GPU A", "580.1", "0.2.0"}}) {
    log_.clear();
    EXPECT_TRUE(found(later).empty());
    ASSERT_EQ(log_.size(), 1u);
    EXPECT_NE(log_[0].find("stale"), std::string::npos);
  }
}

TEST_F(tuning_file, leaves_a_corrupt_file_aside_with_one_warning) {
  keep_one(here_, 1.0);
  const std::string good = read();
  const std::string negative = std::string{good}.replace(good.find("1.0"), 3, "-1 ");
  for (const std::string& bad : {std::string{}, std::string{"[]"}, std::string{"{\"format\": 1}"},
                                 std::string{"{\"format\": 99, \"machines\": []}"},
                                 good.substr(0, good.size() / 2), negative}) {
    write(bad);
    log_.clear();
    EXPECT_TRUE(found(here_).empty()) << bad;
    ASSERT_EQ(log_.size(), 1u) << bad;
    EXPECT_NE(log_[0].find(file_.string()), std::string::npos);
    keep_one(here_, 3.0);
    EXPECT_EQ(found(here_).at(0).median_us, 3.0) << "it is replaced";
  }
}

TEST_F(tuning_file, is_whole_or_not_there) {
  keep_one(here_, 1.0);
  const auto entries = [&] {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{file_.parent_path()}) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(file_.filename().string())) names.push_back(name);
    }
    return names;
  };
  EXPECT_EQ(entries(), std::vector{file_.filename().string()}) << "no draft stays behind";
}

TEST_F(tuning_file, that_cannot_be_written_is_a_warning) {
  tuning_cache cache{file_ / "below" / "a" / "file", here_};
  cache.keep("problem", 8, {{"native", "vector", 1.0, 0.5, {}}});
  cache.save();
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("written"), std::string::npos);
}

TEST_F(tuning_file, is_not_made_without_a_path) {
  tuning_cache cache{{}, here_};
  cache.keep("problem", 8, {{"native", "vector", 1.0, 0.5, {}}});
  cache.save();
  EXPECT_EQ(cache.find("problem", 8).size(), 1u);
  EXPECT_TRUE(log_.empty());
}

}  // namespace
}  // namespace ssugraph::test
