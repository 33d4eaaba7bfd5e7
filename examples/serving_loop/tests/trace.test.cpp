#include "trace.hpp"

#include <ssugraph/error.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace serving_loop {
namespace {

/** A file with this text, gone with the test. */
class text_file {
 public:
  explicit text_file(const std::string& text)
      : path_{std::filesystem::temp_directory_path() /
              ("serving_loop." + std::to_string(getpid()) + "." +
               testing::UnitTest::GetInstance()->current_test_info()->name() + ".csv")} {
    std::ofstream{path_} << text;
  }
  ~text_file() { std::filesystem::remove(path_); }
  text_file(const text_file&) = delete;
  text_file& operator=(const text_file&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

const std::string header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

TEST(trace, reads_times_relative_to_the_first) {
  const text_file file{header + "2023-12-31 23:59:59.5,4808,10\n2024-01-01 00:00:01.2500001,1,2"};
  const trace expected{{seconds{0}, 4808, 10}, {seconds{1.7500001}, 1, 2}};
  EXPECT_EQ(read_trace(file.path()), expected);
}

TEST(trace, needs_no_header_and_takes_crlf) {
  const text_file file{"2023-11-16 18:17:03,5,6\r\n2023-11-16 18:17:04,7,8\r\n"};
  const trace expected{{seconds{0}, 5, 6}, {seconds{1}, 7, 8}};
  EXPECT_EQ(read_trace(file.path()), expected);
}

TEST(trace, names_path_and_line_of_what_it_cannot_read) {
  const std::string good = "2023-11-16 18:17:03,5,6\n";
  for (const std::string bad :
       {"2023-11-16 18:17:03,5,", "2023-11-16 18:17:03,5", "2023-11-16 18:17:03,5,6,7",
        "2023-11-16 18:17:03,5,-6", "2023-02-30 18:17:03,5,6", "2023-11-16 24:00:00,5,6",
        "2023-11-16 18:17:03.,5,6", "2023-11-16 18:17:03,5,99999999999", "", "\x01\x02", " ",
        "2023-11-16 18:17:02,5,6", "2023-11-16 18:17:03,5,0"}) {
    const text_file file{header + good + bad + "\n" + good};
    try {
      (void)read_trace(file.path());
      ADD_FAILURE() << "read `" << bad << "`";
    } catch (const ssugraph::invalid_argument& error) {
      EXPECT_EQ(error.argument(), file.path().string() + ":3") << error.what();
      EXPECT_EQ(std::string{error.what()}.find('\n'), std::string::npos);
    }
  }
}

TEST(trace, needs_a_file_with_a_request) {
  EXPECT_THROW((void)read_trace("/nowhere/trace.csv"), ssugraph::invalid_argument);
  EXPECT_THROW((void)read_trace(std::filesystem::temp_directory_path()),
               ssugraph::invalid_argument);
  EXPECT_THROW((void)read_trace(text_file{header}.path()), ssugraph::invalid_argument);
}

TEST(trace, poisson_process_is_a_function_of_the_seed) {
  const trace requests = make_poisson_trace(1);
  EXPECT_EQ(requests, make_poisson_trace(1));
  EXPECT_NE(requests, make_poisson_trace(2));
  for (std::size_t i = 1; i < requests.size(); ++i) {
    EXPECT_GE(requests[i].arrival, requests[i - 1].arrival);
    EXPECT_GE(requests[i].generated_tokens, 1);
  }
}

}  // namespace
}  // namespace serving_loop
