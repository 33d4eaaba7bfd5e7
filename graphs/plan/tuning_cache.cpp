#include "graphs/plan/tuning_cache.hpp"

#include "lib/core/log.hpp"

#include <exception>
#include <system_error>
#include <utility>

namespace ssugraph::detail {
namespace {

void warn(const std::filesystem::path& file, const std::string& what) {
  log_warning("tuning cache " + file.string() + " " + what);
}

/** Leaves out what another driver or library measured on the GPU of `here`. Returns whether there
 *  was any. */
bool erase_stale(machine_timings& machines, const tuning_machine& here) {
  return std::erase_if(machines, [&](const auto& one) {
           return one.first.gpu == here.gpu && one.first != here;
         }) > 0;
}

void add(timing_tables& to, const timing_tables& tables) {
  for (const auto& [key, buckets] : tables) {
    for (const auto& [bucket, table] : buckets)
      to[key][bucket] = table;
  }
}

/** What `file` has by now; nothing if that is left aside. */
machine_timings read_again(const std::filesystem::path& file, const tuning_machine& here) {
  try {
    machine_timings machines = read_timings(file);
    static_cast<void>(erase_stale(machines, here));
    return machines;
  } catch (const std::exception&) {
    return {};  // not there yet, or warned of before
  }
}

}  // namespace

tuning_cache::tuning_cache(std::filesystem::path file, tuning_machine machine)
    : file_{std::move(file)}, machine_{std::move(machine)} {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(file_, error);
  if (file_.empty() || !exists(status)) return;
  if (!is_regular_file(status)) {  // a device would be replaced, or never end
    warn(file_, "is left aside: it is no regular file");
    file_.clear();
    return;
  }
  try {
    machine_timings machines = read_timings(file_);
    if (erase_stale(machines, machine_))
      warn(file_, "is stale: measured with another driver or library version");
    known_ = std::move(machines[machine_]);
  } catch (const std::exception& problem) {
    warn(file_, std::string{"is left aside: "} + problem.what());
  }
}

timing_table tuning_cache::find(const std::string& key, std::int32_t bucket) const {
  const auto buckets = known_.find(key);
  if (buckets == known_.end()) return {};
  const auto table = buckets->second.find(bucket);
  return table == buckets->second.end() ? timing_table{} : table->second;
}

void tuning_cache::keep(const std::string& key, std::int32_t bucket, const timing_table& table) {
  if (!can_be_kept(table)) return;
  known_[key][bucket] = table;
  fresh_[key][bucket] = table;
}

void tuning_cache::save() {
  if (file_.empty() || fresh_.empty()) return;
  const file_lock lock{file_};
  machine_timings machines = read_again(file_, machine_);
  add(machines[machine_], fresh_);
  if (write_timings(file_, machines)) {
    fresh_.clear();
  } else {
    warn(file_, "cannot be written");
    file_.clear();
  }
}

}  // namespace ssugraph::detail
