#pragma once

#include "profiling/bench/options.hpp"

#include <ssugraph/rings.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace bench {

/**
 * Where the rings of a batch are in front of each replay of a round. Spread, the sequences lie
 * evenly over all positions; a round of a batch that is no multiple of them is several replays, a
 * position further each, so that over the round each position counts alike.
 */
class ring_phases {
 public:
  /** `accepted`: tokens of the last step that stand, a sequence; empty: all. */
  ring_phases(const options& opts, std::int32_t live, std::span<const std::int32_t> accepted);

  /** (replays of a round, live sequences). */
  [[nodiscard]] const std::vector<ssugraph::ring_cursor>& cursors() const { return cursors_; }
  [[nodiscard]] std::int64_t replays() const { return replays_; }

  ///@{
  /** In a replay, on the average: ring rows that are read, states that are stored. */
  [[nodiscard]] double live_rows() const { return live_rows_; }
  [[nodiscard]] double checkpoints() const { return checkpoints_; }
  ///@}

 private:
  std::int64_t replays_;
  std::vector<ssugraph::ring_cursor> cursors_;
  double live_rows_ = 0;
  double checkpoints_ = 0;
};

}  // namespace bench
