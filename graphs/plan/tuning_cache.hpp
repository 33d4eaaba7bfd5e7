#pragma once

#include "graphs/plan/timings_file.hpp"
#include "graphs/plan/tuning_machine.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace ssugraph::detail {

/**
 * Measurements in a file. What another driver or library measured on this GPU, and a file that
 * cannot be read, is left aside with a warning to the log, and replaced when saved. Other GPUs'
 * measurements stay, and so does what other processes saved meanwhile. Throws nothing of the
 * file's.
 */
class tuning_cache {
 public:
  /** Reads `file`; an empty path keeps nothing. */
  tuning_cache(std::filesystem::path file, tuning_machine machine);

  /** Empty if there is none. */
  [[nodiscard]] timing_table find(const std::string& key, std::int32_t bucket) const;
  /** Only tables that can be read back: times are positive. */
  void keep(const std::string& key, std::int32_t bucket, const timing_table& table);
  /** Adds what is new to what the file has by now, at once or not at all, under the lock that is
   *  the file of this name with `.lock` behind it. A failure is a warning, and the last attempt. */
  void save();

 private:
  std::filesystem::path file_;
  tuning_machine machine_;
  timing_tables known_;  ///< of this machine
  timing_tables fresh_;  ///< of it, not saved yet
};

}  // namespace ssugraph::detail
