#pragma once

#include "graphs/plan/tuning_machine.hpp"

#include <ssugraph/candidate_timing.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

/** The file of a tuning cache, in JSON. */
namespace ssugraph::detail {

/** The candidates of one bucket, in the order in which they were offered. */
using timing_table = std::vector<candidate_timing>;

/** By problem, then by bucket. */
using timing_tables = std::map<std::string, std::map<std::int32_t, timing_table>>;
using machine_timings = std::map<tuning_machine, timing_tables>;

/** Whether a table can be read back: its times are positive. */
[[nodiscard]] bool can_be_kept(const timing_table& table);

/** What `file` has. Throws std::exception where it cannot be read or has another form. */
[[nodiscard]] machine_timings read_timings(const std::filesystem::path& file);

/** Replaces `file`, whole or not at all. Returns whether it did. */
[[nodiscard]] bool write_timings(const std::filesystem::path& file, const machine_timings& all);

/** For a scope, keeps other processes and threads from saving the same file. The lock file stays:
 *  who removes one takes it away from under those who wait for it. Where there can be no lock there
 *  is none, and what two save at one moment may be lost. */
class file_lock {
 public:
  explicit file_lock(std::filesystem::path file);
  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;
  ~file_lock();

 private:
  int descriptor_;
};

}  // namespace ssugraph::detail
