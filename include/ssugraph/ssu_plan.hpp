#pragma once

/** @file
 *  How an SSU call runs once dispatch is resolved. */

#include <ssugraph/candidate_timing.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace ssugraph {

/** How one SSU of one bucket runs. Resolved once; printable and comparable: equal plans launch the
 *  same, whatever was measured. */
struct ssu_plan {
  /** What one block works on. */
  struct tile {
    int rows = 0;     ///< rows of (dim) that one block owns
    int lanes = 0;    ///< threads that share a row
    int threads = 0;  ///< of a block that hold rows
    bool operator==(const tile&) const = default;
  };

  std::string backend;                 ///< its name
  std::string algorithm;               ///< of that backend; never `auto`
  std::string reason;                  ///< why this algorithm, in words
  std::int64_t sequences = 0;          ///< the bucket, or the batch of an eager call
  ssu_plan::tile tile;                 ///< zeros where the backend does not tell
  std::array<std::int64_t, 3> grid{};  ///< blocks: sequences, heads, tiles of dim
  bool zeroes_null_rows = true;        ///< `out` of null sequences; the library's all do
  bool contract_bits = true;           ///< rounds states as native does, by the same bits
  ssu_problem problem;                 ///< what is planned
  std::vector<std::string> notes;  ///< what a user must know, such as which random bits it takes
  /** By time, if backend `automatic` measured; see to_table. */
  std::vector<candidate_timing> timings;

  friend bool operator==(const ssu_plan& a, const ssu_plan& b) {
    const auto launch = [](const ssu_plan& plan) {
      return std::tie(plan.backend, plan.algorithm, plan.reason, plan.sequences, plan.tile,
                      plan.grid, plan.zeroes_null_rows, plan.contract_bits, plan.problem,
                      plan.notes);
    };
    return launch(a) == launch(b);
  }
};

/** One line for people, without its end. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_string(const ssu_plan& plan);
/** The timings of a plan, a line each; empty if nothing was measured. */
[[nodiscard]] SSUGRAPH_EXPORT std::string to_table(const ssu_plan& plan);

}  // namespace ssugraph
