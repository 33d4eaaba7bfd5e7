#include "graphs/tuning_cache.hpp"

#include "lib/core/log.hpp"

#include <fstream>
#include <random>
#include <stdexcept>
#include <system_error>
#include <utility>

// The file: {"format": 1, "machines": [{"gpu", "driver", "library", "entries":
// {key: {bucket: [{"backend", "algorithm", "median_us", "limit_share"}]}}}]}
namespace ssugraph::detail {
namespace {

constexpr int format = 1;

tuning_machine machine_of(const nlohmann::json& machine) {
  return {machine.at("gpu"), machine.at("driver"), machine.at("library")};
}

timing_table table_of(const nlohmann::json& rows) {
  timing_table table;
  for (const nlohmann::json& row : rows) {
    table.push_back(
        {row.at("backend"), row.at("algorithm"), row.at("median_us"), row.at("limit_share"), {}});
    if (!(table.back().median_us > 0.0)) throw std::runtime_error{"a time that is not positive"};
  }
  return table;
}

/** Throws std::exception unless `machines` has the form above. */
void check(const nlohmann::json& machines) {
  for (const nlohmann::json& machine : machines) {
    static_cast<void>(machine_of(machine));
    for (const auto& [key, buckets] : machine.at("entries").items()) {
      for (const auto& [bucket, rows] : buckets.items())
        static_cast<void>(table_of(rows));
    }
  }
}

nlohmann::json read(const std::filesystem::path& file) {
  std::ifstream stream{file};
  if (!stream) throw std::runtime_error{"it cannot be opened"};
  nlohmann::json content = nlohmann::json::parse(stream);
  if (content.at("format") != format) throw std::runtime_error{"its format is another"};
  nlohmann::json machines = content.at("machines");
  check(machines);
  return machines;
}

void warn(const std::filesystem::path& file, const std::string& what) {
  log_line("tuning cache " + file.string() + " " + what);
}

}  // namespace

tuning_cache::tuning_cache(std::filesystem::path file, tuning_machine machine)
    : file_{std::move(file)}, machine_{std::move(machine)} {
  std::error_code error;
  if (file_.empty() || !std::filesystem::exists(file_, error)) return;
  try {
    machines_ = read(file_);
  } catch (const std::exception& problem) {
    warn(file_, std::string{"is left aside: "} + problem.what());
    return;
  }
  const auto stale = [&](const nlohmann::json& entry) {
    const tuning_machine other = machine_of(entry);
    return other.gpu == machine_.gpu && other != machine_;
  };
  nlohmann::json kept = nlohmann::json::array();
  for (const nlohmann::json& entry : machines_) {
    if (!stale(entry)) kept.push_back(entry);
  }
  if (kept.size() != machines_.size()) {
    warn(file_, "is stale: measured with another driver or library version");
  }
  machines_ = std::move(kept);
}

nlohmann::json& tuning_cache::entries() {
  for (nlohmann::json& entry : machines_) {
    if (machine_of(entry) == machine_) return entry.at("entries");
  }
  machines_.push_back({{"gpu", machine_.gpu},
                       {"driver", machine_.driver},
                       {"library", machine_.library},
                       {"entries", nlohmann::json::object()}});
  return machines_.back().at("entries");
}

timing_table tuning_cache::find(const std::string& key, std::int32_t bucket) const {
  for (const nlohmann::json& entry : machines_) {
    if (machine_of(entry) != machine_) continue;
    const nlohmann::json& known = entry.at("entries");
    const auto found = known.find(key);
    if (found == known.end() || !found->contains(std::to_string(bucket))) return {};
    return table_of(found->at(std::to_string(bucket)));
  }
  return {};
}

void tuning_cache::keep(const std::string& key, std::int32_t bucket, const timing_table& table) {
  nlohmann::json rows = nlohmann::json::array();
  for (const candidate_timing& timing : table) {
    rows.push_back({{"backend", timing.backend},
                    {"algorithm", timing.algorithm},
                    {"median_us", timing.median_us},
                    {"limit_share", timing.limit_share}});
  }
  entries()[key][std::to_string(bucket)] = std::move(rows);
  changed_ = true;
}

void tuning_cache::save() {
  if (file_.empty() || !changed_) return;
  // A name of its own, so that two processes do not write into one file.
  std::filesystem::path draft = file_;
  draft += "." + std::to_string(std::random_device{}());
  std::ofstream stream{draft};
  stream << nlohmann::json{{"format", format}, {"machines", machines_}}.dump(1) << '\n';
  stream.close();
  std::error_code error;
  if (stream) std::filesystem::rename(draft, file_, error);
  if (stream && !error) return;
  warn(file_, "cannot be written");
  std::filesystem::remove(draft, error);
}

}  // namespace ssugraph::detail
