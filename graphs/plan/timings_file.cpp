#include "graphs/plan/timings_file.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
#include <random>
#include <stdexcept>
#include <system_error>

// {"format": 1, "machines": [{"gpu", "driver", "library", "entries":
// {key: {bucket: [{"backend", "algorithm", "median_us", "limit_share"}]}}}]}
namespace ssugraph::detail {
namespace {

using nlohmann::json;

constexpr int format = 1;
/** Of values within values; the form above needs 7. */
constexpr int max_depth = 16;

// --- Reading: everything throws std::exception where the content is not of the form above

/** What is nested deep would overflow the stack of whatever walks through it. */
json parse(std::istream& stream) {
  return json::parse(stream, [](int depth, json::parse_event_t, const json&) {
    if (depth > max_depth) throw std::runtime_error{"it is nested too deep"};
    return true;
  });
}

// Values of other kinds can be walked through, too, and have nothing or something else to say.
template <class Visit>
void each_entry(const json& list, Visit visit) {
  if (!list.is_array()) throw std::runtime_error{"something in place of a list"};
  for (const json& entry : list)
    visit(entry);
}

template <class Visit>
void each_member(const json& object, Visit visit) {
  if (!object.is_object()) throw std::runtime_error{"something in place of an object"};
  for (const auto& member : object.items())
    visit(member.key(), member.value());
}

std::int32_t bucket_of(const std::string& text) {
  std::int32_t bucket = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bucket);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::runtime_error{"a bucket that is no number"};
  return bucket;
}

timing_table table_of(const json& rows) {
  timing_table table;
  each_entry(rows, [&](const json& row) {
    table.push_back(
        {row.at("backend"), row.at("algorithm"), row.at("median_us"), row.at("limit_share"), {}});
  });
  if (!can_be_kept(table)) throw std::runtime_error{"a time that is not positive"};
  return table;
}

timing_tables tables_of(const json& entries) {
  timing_tables tables;
  each_member(entries, [&](const std::string& key, const json& buckets) {
    each_member(buckets, [&](const std::string& bucket, const json& rows) {
      tables[key][bucket_of(bucket)] = table_of(rows);
    });
  });
  return tables;
}

// --- Writing

json json_of(const timing_table& table) {
  json rows = json::array();
  for (const candidate_timing& timing : table) {
    rows.push_back({{"backend", timing.backend},
                    {"algorithm", timing.algorithm},
                    {"median_us", timing.median_us},
                    {"limit_share", timing.limit_share}});
  }
  return rows;
}

json json_of(const timing_tables& tables) {
  json entries = json::object();
  for (const auto& [key, buckets] : tables) {
    for (const auto& [bucket, table] : buckets)
      entries[key][std::to_string(bucket)] = json_of(table);
  }
  return entries;
}

std::string text_of(const machine_timings& all) {
  json machines = json::array();
  for (const auto& [machine, tables] : all) {
    machines.push_back({{"gpu", machine.gpu},
                        {"driver", machine.driver},
                        {"library", machine.library},
                        {"entries", json_of(tables)}});
  }
  // A backend of the user's may have any bytes for a name.
  return json{{"format", format}, {"machines", machines}}.dump(1, ' ', false,
                                                               json::error_handler_t::replace);
}

}  // namespace

bool can_be_kept(const timing_table& table) {
  return std::ranges::all_of(table, [](const candidate_timing& timing) {
    return std::isfinite(timing.median_us) && timing.median_us > 0.0 &&
           std::isfinite(timing.limit_share);
  });
}

machine_timings read_timings(const std::filesystem::path& file) {
  std::ifstream stream{file};
  if (!stream) throw std::runtime_error{"it cannot be opened"};
  const json content = parse(stream);
  if (content.at("format") != format) throw std::runtime_error{"its format is another"};
  machine_timings machines;
  each_entry(content.at("machines"), [&](const json& machine) {
    machines[{machine.at("gpu"), machine.at("driver"), machine.at("library")}] =
        tables_of(machine.at("entries"));
  });
  return machines;
}

bool write_timings(const std::filesystem::path& file, const machine_timings& all) {
  const std::string text = text_of(all);
  // A name of its own, for there are file systems without locks.
  std::filesystem::path draft = file;
  draft += "." + std::to_string(std::random_device{}());
  std::ofstream stream{draft};
  stream << text << '\n';
  stream.close();
  std::error_code error;
  if (stream) std::filesystem::rename(draft, file, error);
  if (stream && !error) return true;
  std::filesystem::remove(draft, error);
  return false;
}

file_lock::file_lock(std::filesystem::path file)
    : descriptor_{open((file += ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)} {
  while (descriptor_ >= 0 && flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

file_lock::~file_lock() {
  if (descriptor_ < 0) return;
  flock(descriptor_, LOCK_UN);  // a forked process may have the descriptor, too
  close(descriptor_);
}

}  // namespace ssugraph::detail
