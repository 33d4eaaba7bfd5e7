#include "trace.hpp"

#include <ssugraph/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <regex>
#include <string>

namespace serving_loop {
namespace {

constexpr auto header = "TIMESTAMP,ContextTokens,GeneratedTokens";

/** The line as a message may show it: short and printable. */
std::string quoted(std::string line) {
  constexpr std::size_t longest = 80;
  if (line.size() > longest) line = line.substr(0, longest) + "...";
  std::ranges::replace_if(
      line, [](char c) { return c < ' ' || c > '~'; }, '?');
  return "`" + line + "`";
}

struct trace_line {
  std::chrono::sys_time<std::chrono::nanoseconds> time;
  std::int32_t context_tokens;
  std::int32_t generated_tokens;
};

/** False if the line is no trace line, or its date or time does not exist. */
bool parse(const std::string& line, trace_line& parsed) {
  static const std::regex format{
      R"((\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?,(\d{1,9}),(\d{1,9}))"};
  std::smatch fields;
  if (!std::regex_match(line, fields, format)) return false;
  const auto number = [&](std::size_t field) { return std::stoi(fields.str(field)); };

  namespace chrono = std::chrono;
  const chrono::year_month_day date{chrono::year{number(1)},
                                    chrono::month{static_cast<unsigned>(number(2))},
                                    chrono::day{static_cast<unsigned>(number(3))}};
  // Nanoseconds since 1970 fit 64 bits until 2262.
  const bool exists = date.ok() && number(1) >= 1970 && number(1) < 2262 && number(4) < 24 &&
                      number(5) < 60 && number(6) < 60;
  if (!exists) return false;

  std::string fraction = fields.str(7);
  fraction.resize(9, '0');
  parsed.time = chrono::sys_days{date} + chrono::hours{number(4)} + chrono::minutes{number(5)} +
                chrono::seconds{number(6)} + chrono::nanoseconds{std::stoi(fraction)};
  parsed.context_tokens = number(8);
  parsed.generated_tokens = number(9);
  return true;
}

}  // namespace

trace read_trace(const std::filesystem::path& path) {
  std::ifstream file{path};
  if (!file || std::filesystem::is_directory(path)) {
    throw ssugraph::invalid_argument{"--trace", "a file that can be read", path.string()};
  }

  trace requests;
  trace_line first{};
  trace_line last{};
  std::string line;
  for (std::int64_t number = 1; std::getline(file, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1 && line == header) continue;

    const auto fail = [&](std::string expected) {
      throw ssugraph::invalid_argument{fmt::format("{}:{}", path.string(), number),
                                       std::move(expected), quoted(line)};
    };
    trace_line now{};
    if (!parse(line, now)) {
      fail("`YYYY-MM-DD HH:MM:SS[.fraction],ContextTokens,GeneratedTokens`");
    }
    if (now.generated_tokens < 1) fail("at least one generated token");
    if (requests.empty()) first = last = now;
    if (now.time < last.time) fail("a time that is not before the previous line's");
    last = now;
    requests.push_back({now.time - first.time, now.context_tokens, now.generated_tokens});
  }
  if (requests.empty()) {
    throw ssugraph::invalid_argument{"--trace", "at least one request", path.string()};
  }
  return requests;
}

trace make_poisson_trace(std::uint64_t seed) {
  constexpr int requests = 256;
  constexpr double arrivals_per_second = 4;
  constexpr double mean_generated_tokens = 24;
  constexpr std::int32_t longest_context = 8192;

  std::mt19937_64 engine{seed};
  std::exponential_distribution gap{arrivals_per_second};
  std::uniform_int_distribution context{std::int32_t{1}, longest_context};
  std::geometric_distribution generated{1 / mean_generated_tokens};

  trace result;
  seconds arrival{0};
  for (int i = 0; i < requests; ++i) {
    const auto context_tokens = context(engine);
    result.push_back({arrival, context_tokens, 1 + generated(engine)});
    arrival += seconds{gap(engine)};
  }
  return result;
}

}  // namespace serving_loop
