#pragma once

#include "tests/golden/golden_folder.hpp"
#include "tests/support/execution.hpp"
#include "tests/support/ssu_case.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace ssugraph::test {

/** SSUGRAPH_GOLDEN_DIR, or shared/golden beside the repository. */
[[nodiscard]] golden_folder find_golden_folder();

/** One recorded call, with room for `capacity` sequences, and what the peer's kernel made of it. */
struct golden_case {
  ssu_case test;
  /** Arenas like the case's, holding the recorded state and out. */
  arena recorded;
  std::set<std::int64_t> null_rows;  ///< whose recorded `out` is not our contract
};

/** The recorded files of the folder, by name. */
[[nodiscard]] std::vector<std::filesystem::path> golden_files();

/** Throws std::exception where the file is malformed. */
[[nodiscard]] golden_case read_golden_case(const std::filesystem::path& path,
                                           std::int64_t extra_sequences);

/** `random.json` of the folder. */
[[nodiscard]] nlohmann::json read_golden_random();

/** Runs every recorded case by `how`, prints its worst errors, and fails where one is too large. */
void check_golden_cases(const execution& how, std::int64_t extra_sequences);

/** The same inputs with states in every scaled dtype, to nearest and stochastically, against their
 *  float64 evaluation. */
void check_scaled_golden_cases(const execution& how, std::int64_t extra_sequences);

}  // namespace ssugraph::test
