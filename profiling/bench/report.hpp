#pragma once

#include "profiling/bench/contenders.hpp"
#include "profiling/bench/measure.hpp"
#include "profiling/bench/options.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/** Figures of a run, as a table and as JSON. */
namespace bench {

/** What ran where, and how fast memory is copied there. */
struct machine {
  std::string device;
  std::string driver;
  std::string cuda;
  double copy_bytes_a_us;
};

/** Of the current device. Throws cuda_error. */
[[nodiscard]] machine measure_machine(const stopwatch& watch);

/** One contender's microseconds a layer, less what stands between the layers. */
struct result {
  std::string name;
  seed_source seeds;
  std::string plan;
  std::string refusal;          ///< then there are no times
  std::optional<spread> times;  ///< a layer
  /** Times as fast as the fastest of triton and flashinfer whose seeds come from the same. */
  std::optional<double> over_peer;
};

/** The contenders of one point. */
struct results {
  const bench::shape& shape;
  std::int32_t batch;
  std::int32_t live;
  std::int64_t bytes;  ///< that a layer must move once
  double limit_us;     ///< for that, at the rate of a copy
  double between_us;   ///< a layer, of what stands between layers
  std::vector<result> rows;
};

/** Fills `over_peer` of all. */
void compare_to_peers(std::vector<result>& rows);

[[nodiscard]] std::string to_text(const machine& where, const options& opts);
/** What is measured, and the head of the table. */
[[nodiscard]] std::string table_head(const shape& s, const options& opts);
[[nodiscard]] std::string to_text(const results& found);

[[nodiscard]] nlohmann::json to_json(const machine& where, const options& opts);
/** One object a contender that serves. */
[[nodiscard]] nlohmann::json to_json(const results& found);

/** The file of --json. */
class json_file {
 public:
  /** Throws invalid_argument if `path` cannot be written; changes nothing that is there. */
  explicit json_file(std::filesystem::path path);
  /** Throws std::runtime_error. */
  void write(const nlohmann::json& report) const;

 private:
  std::filesystem::path path_;
};

}  // namespace bench
