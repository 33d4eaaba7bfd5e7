#pragma once

#include <ssugraph/ssu.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ssugraph::detail {

/** The candidates of one bucket, in the order in which they were offered. */
using timing_table = std::vector<candidate_timing>;

/** What measurements belong to beside the problem. */
struct tuning_machine {
  std::string gpu;
  std::string driver;
  std::string library;

  bool operator==(const tuning_machine&) const = default;
};

/**
 * Measurements in a JSON file. What another driver or library measured on this GPU, and a file that
 * cannot be read, is left aside with a warning to the log, and replaced when saved. Other GPUs'
 * measurements stay.
 */
class tuning_cache {
 public:
  /** Reads `file`; an empty path keeps nothing. */
  tuning_cache(std::filesystem::path file, tuning_machine machine);

  /** Empty if there is none. */
  [[nodiscard]] timing_table find(const std::string& key, std::int32_t bucket) const;
  void keep(const std::string& key, std::int32_t bucket, const timing_table& table);
  /** Writes the file if there is something new, at once or not at all. A failure is a warning. */
  void save();

 private:
  [[nodiscard]] nlohmann::json& entries();

  std::filesystem::path file_;
  tuning_machine machine_;
  nlohmann::json machines_ = nlohmann::json::array();
  bool changed_ = false;
};

}  // namespace ssugraph::detail
