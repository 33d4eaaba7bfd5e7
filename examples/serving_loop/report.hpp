#pragma once

#include "loop.hpp"
#include "trace.hpp"

#include <filesystem>
#include <fstream>
#include <string>

namespace serving_loop {

/** Where `--json` goes; opened before the run, so that a bad path is reported before the work. */
class json_file {
 public:
  /** Changes nothing that is there. Throws invalid_argument if `path` cannot be written. */
  explicit json_file(std::filesystem::path path);
  /** Takes away a file that came by the opening and was not written. */
  ~json_file();
  json_file(const json_file&) = delete;
  json_file& operator=(const json_file&) = delete;

  /** Replaces the content. Throws std::runtime_error if that fails. */
  void write(const std::string& text);

 private:
  std::filesystem::path path_;
  bool remove_ = false;
};

/** Figures of a run that come from its times. */
struct speed {
  double step_p50_ms;  ///< of preparation and replay, by the clock of the stream
  double step_p99_ms;
  double replay_p50_ms;
  double replay_p99_ms;
  double tokens_per_second;           ///< over the time of all steps, checks left out
  double state_gigabytes_per_second;  ///< over the time of all replays
};

[[nodiscard]] speed measure(const serving_result& result);

/** The closing report, for reading. */
[[nodiscard]] std::string to_text(const trace& requests, const serving_options& options,
                                  const serving_result& result);

/** The same for programs; all that differs between two equal runs is in its object `time`. */
[[nodiscard]] std::string to_json(const trace& requests, const serving_options& options,
                                  const serving_result& result);

}  // namespace serving_loop
