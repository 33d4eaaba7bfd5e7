#include "graphs/plan/tuning_cache.hpp"

#include "tests/support/ssu_case.hpp"

#include <ssugraph/log.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
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
    remove_files();
  }
  ~tuning_file() override {
    set_log_sink({});
    remove_files();
  }

  void remove_files() const {
    std::filesystem::remove_all(file_);
    std::filesystem::remove(file_.string() + ".lock");
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
  /** The file is left aside with one warning and replaced when the next one is saved. */
  void expect_left_aside(const std::string& bad) {
    SCOPED_TRACE(bad.substr(0, 200));
    write(bad);
    log_.clear();
    EXPECT_TRUE(found(here_).empty());
    ASSERT_EQ(log_.size(), 1u);
    EXPECT_NE(log_[0].find(file_.string()), std::string::npos);
    keep_one(here_, 3.0);
    ASSERT_EQ(found(here_).size(), 1u);
    EXPECT_EQ(found(here_).at(0).median_us, 3.0) << "it is replaced";
  }

  const std::filesystem::path file_ =
      std::filesystem::path{testing::TempDir()} /
      ("ssugraph_" + std::string{testing::UnitTest::GetInstance()->current_test_info()->name()} +
       "_" + std::to_string(getpid()) + ".json");
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

/** As of a library that told problems apart by less. */
TEST_F(tuning_file, passes_over_entries_of_other_keys_without_a_word) {
  const std::string earlier =
      "plain 4x16x16 g1 tied state float32 io float32 on 132 "
      "multiprocessors | native:8x128";
  tuning_cache first{file_, here_};
  first.keep(earlier, 8, {{"native", "8x128", 1.0, 0.5, {}}});
  first.save();
  keep_one(here_, 2.0);
  const tuning_cache both{file_, here_};
  EXPECT_EQ(both.find("problem", 8).at(0).median_us, 2.0);
  EXPECT_EQ(both.find(earlier, 8).at(0).median_us, 1.0);
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
    expect_left_aside(bad);
  }
}

TEST_F(tuning_file, is_warned_of_on_stderr_where_there_is_no_sink) {
  set_log_sink({});
  write("no JSON");
  testing::internal::CaptureStderr();
  EXPECT_TRUE(found(here_).empty());
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(text.starts_with("ssugraph: tuning cache ")) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
}

/** A file with this in place of the machines, or of the entries of one, or of a bucket's rows. */
std::string with_machines(const std::string& machines) {
  return R"({"format": 1, "machines": )" + machines + "}";
}
std::string with_entries(const std::string& entries) {
  return with_machines(R"([{"gpu": "GPU A", "driver": "580.1", "library": "0.1.0", "entries": )" +
                       entries + "}]");
}
std::string with_rows(const std::string& rows) {
  return with_entries(R"({"problem": {"8": )" + rows + "}}");
}

TEST_F(tuning_file, leaves_what_is_of_another_kind_aside_with_one_warning) {
  for (const std::string other : {"null", "true", "1", "\"text\"", "{}", R"({"a": {}})"})
    expect_left_aside(with_machines(other));
  for (const std::string other :
       {"[]", "null", "1", R"({"problem": []})", R"({"problem": [[]]})", R"({"problem": null})",
        R"({"problem": {"eight": []}})", R"({"problem": {"99999999999": []}})"}) {
    expect_left_aside(with_entries(other));
  }
  for (const std::string other :
       {"{}", "null", "[null]", "[[]]", "[1]", R"([{"backend": "native"}])",
        R"([{"backend": 1, "algorithm": "a", "median_us": 1, "limit_share": 1}])",
        R"([{"backend": "b", "algorithm": "a", "median_us": "1", "limit_share": 1}])",
        R"([{"backend": "b", "algorithm": "a", "median_us": 1e999, "limit_share": 1}])",
        R"([{"backend": "b", "algorithm": "a", "median_us": NaN, "limit_share": 1}])",
        R"([{"backend": "b", "algorithm": "a", "median_us": null, "limit_share": 1}])"}) {
    expect_left_aside(with_rows(other));
  }
  expect_left_aside(std::string(1000, '\0'));
  expect_left_aside("\xff\xfe");
}

TEST_F(tuning_file, leaves_what_is_nested_deep_aside_with_one_warning) {
  constexpr std::size_t depth = 200'000;
  const std::string open(depth, '[');
  const std::string whole = open + std::string(depth, ']');
  for (const std::string& deep :
       {open, whole, with_machines(whole), with_machines("[" + whole + "]"), with_entries(whole),
        with_rows(whole)}) {
    expect_left_aside(deep);
  }
}

/** `file` and all values within it. */
std::vector<nlohmann::json::json_pointer> places_of(const nlohmann::json& file) {
  std::vector<nlohmann::json::json_pointer> places{nlohmann::json::json_pointer{}};
  for (std::size_t i = 0; i < places.size(); ++i) {
    const nlohmann::json::json_pointer place = places[i];
    const nlohmann::json& value = file.at(place);
    if (!value.is_structured()) continue;
    for (const auto& child : value.items()) {
      places.push_back(value.is_array() ? place / std::stoul(child.key()) : place / child.key());
    }
  }
  return places;
}

/** `good` with a few of its bytes gone, changed, or there twice. */
std::string with_other_bytes(const std::string& good, random_engine& engine) {
  const std::string pieces = "{}[]\",:0-e.\\\xff";
  std::string bad = good;
  for (std::size_t faults = 1 + engine() % 4; faults > 0; --faults) {
    const std::size_t at = engine() % bad.size();
    const std::size_t length = 1 + engine() % 20;
    const char piece = pieces[engine() % pieces.size()];
    switch (engine() % 4) {
      case 0:
        bad.erase(at, length);
        break;
      case 1:
        bad[at] = piece;
        break;
      case 2:
        bad.insert(at, bad.substr(engine() % bad.size(), length));
        break;
      default:
        bad.insert(at, length, piece);
        break;
    }
  }
  return bad;
}

TEST_F(tuning_file, that_was_spoilt_anywhere_is_left_aside_or_read) {
  keep_one({"GPU B", "580.1", "0.1.0"}, 2.0);
  keep_one(here_, 1.0);
  const std::string good = read();
  const nlohmann::json file = nlohmann::json::parse(good);
  const std::vector<nlohmann::json> others{
      nullptr,  true,      1, -1e300, "text", nlohmann::json::array(), nlohmann::json::object(),
      {1, {2}}, {{"8", 1}}};
  std::vector<std::string> spoilt;
  for (const nlohmann::json::json_pointer& place : places_of(file)) {
    for (const nlohmann::json& other : others) {
      nlohmann::json bad = file;
      bad[place] = other;
      spoilt.push_back(bad.dump());
    }
  }
  random_engine engine{base_seed()};
  for (int i = 0; i < 300; ++i)
    spoilt.push_back(with_other_bytes(good, engine));
  for (const std::string& bad : spoilt) {
    SCOPED_TRACE("seed " + std::to_string(base_seed()) + ": " + bad);
    write(bad);
    log_.clear();
    tuning_cache cache{file_, here_};
    for (const candidate_timing& timing : cache.find("problem", 8))
      EXPECT_GT(timing.median_us, 0.0);
    EXPECT_NO_THROW(cache.keep("problem", 8, {{"native", "vector", 3.0, 0.5, {}}}));
    EXPECT_LE(log_.size(), 1u);
    EXPECT_NO_THROW(cache.save());
    ASSERT_EQ(found(here_).size(), 1u);
    EXPECT_EQ(found(here_).at(0).median_us, 3.0);
  }
}

TEST_F(tuning_file, that_is_no_regular_file_stays_as_it_is) {
  std::filesystem::create_directory(file_);
  keep_one(here_, 1.0);
  EXPECT_EQ(log_.size(), 1u);
  EXPECT_TRUE(std::filesystem::is_directory(file_));
  std::filesystem::remove(file_);
  log_.clear();
  std::filesystem::create_symlink("/dev/null", file_);
  keep_one(here_, 1.0);
  EXPECT_EQ(log_.size(), 1u);
  EXPECT_TRUE(std::filesystem::is_symlink(file_));
}

TEST_F(tuning_file, keeps_no_times_that_it_could_not_read_back) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  tuning_cache cache{file_, here_};
  for (const double time : {0.0, -1.0, infinity, std::numeric_limits<double>::quiet_NaN()})
    cache.keep("problem", 8, {{"native", "vector", time, 0.5, {}}});
  cache.keep("problem", 8, {{"native", "vector", 1.0, infinity, {}}});
  EXPECT_TRUE(cache.find("problem", 8).empty());
  cache.keep("\xff", 16, {{"\xff", "\xff", 1.0, 0.5, {}}});
  EXPECT_NO_THROW(cache.save()) << "names of a user's backend, which are no UTF-8";
  keep_one(here_, 1.0);
  EXPECT_EQ(found(here_).at(0).median_us, 1.0);
  EXPECT_TRUE(log_.empty());
}

TEST_F(tuning_file, takes_what_another_one_saved_meanwhile) {
  tuning_cache first{file_, here_};
  tuning_cache second{file_, here_};
  tuning_cache third{file_, {"GPU B", "580.1", "0.1.0"}};
  first.keep("problem", 8, {{"native", "vector", 1.0, 0.5, {}}});
  second.keep("problem", 16, {{"native", "vector", 2.0, 0.5, {}}});
  third.keep("problem", 8, {{"native", "vector", 3.0, 0.5, {}}});
  first.save();
  second.save();
  third.save();
  const tuning_cache all{file_, here_};
  ASSERT_EQ(all.find("problem", 8).size(), 1u);
  ASSERT_EQ(all.find("problem", 16).size(), 1u);
  EXPECT_EQ(all.find("problem", 8)[0].median_us, 1.0);
  EXPECT_EQ(all.find("problem", 16)[0].median_us, 2.0);
  EXPECT_EQ(found({"GPU B", "580.1", "0.1.0"}).size(), 1u);
  EXPECT_TRUE(log_.empty());
}

TEST_F(tuning_file, loses_nothing_of_processes_that_save_at_once) {
  constexpr int processes = 4;
  constexpr int saves = 25;
  std::vector<pid_t> children;
  for (int child = 0; child < processes; ++child) {
    children.push_back(fork());
    ASSERT_GE(children.back(), 0);
    if (children.back() != 0) continue;
    for (int bucket = 1; bucket <= saves; ++bucket) {
      tuning_cache cache{file_, here_};
      cache.keep("problem " + std::to_string(child), bucket, {{"native", "vector", 1.0, 0.5, {}}});
      cache.save();
    }
    _exit(log_.empty() ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  int lost = 0;
  const tuning_cache all{file_, here_};
  for (int child = 0; child < processes; ++child) {
    for (int bucket = 1; bucket <= saves; ++bucket)
      lost += all.find("problem " + std::to_string(child), bucket).empty() ? 1 : 0;
  }
  EXPECT_EQ(lost, 0) << "of " << processes * saves;
}

TEST_F(tuning_file, is_whole_or_not_there) {
  keep_one(here_, 1.0);
  const auto entries = [&] {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{file_.parent_path()}) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(file_.filename().string())) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  };
  const std::string name = file_.filename().string();
  EXPECT_EQ(entries(), (std::vector{name, name + ".lock"})) << "no draft stays behind";
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
