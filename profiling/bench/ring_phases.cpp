#include "profiling/bench/ring_phases.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <random>

namespace bench {
namespace {

using ssugraph::ring_cursor;

/** Positions that steps come to, a multiple of one distance: of all tokens, or of any number. */
std::int64_t positions_of(const options& opts) {
  if (opts.ring != ring_phase::spread) return 1;
  const std::int64_t distance = opts.mode == ssugraph::ssu_mode::speculative ? 1 : opts.tokens;
  return opts.checkpoint / std::gcd(opts.checkpoint, distance);
}

/** Of each sequence, neighbours apart from each other as requests in a batch are. */
std::vector<std::int64_t> first_positions(std::int64_t positions, std::int32_t live) {
  std::vector<std::int64_t> first;
  first.reserve(static_cast<std::size_t>(live));
  for (std::int32_t i = 0; i < live; ++i)
    first.push_back(i * positions / live);
  std::ranges::shuffle(first, std::mt19937{3});
  return first;
}

/** So that `count` and `pending` stand in the next step. */
ring_cursor cursor_at(const options& opts, std::int64_t sequence, std::int64_t count,
                      std::int64_t pending) {
  return {.start = static_cast<std::int32_t>(sequence * opts.checkpoint % opts.ring_rows()),
          .count = static_cast<std::int32_t>(count),
          .pending = static_cast<std::int32_t>(pending)};
}

}  // namespace

ring_phases::ring_phases(const options& opts, std::int32_t live,
                         std::span<const std::int32_t> accepted)
    : replays_{positions_of(opts) / std::gcd(positions_of(opts), std::int64_t{live})} {
  const std::int64_t positions = positions_of(opts);
  const std::int64_t distance = opts.checkpoint / positions;
  const std::vector<std::int64_t> first = first_positions(positions, live);
  for (std::int64_t replay = 0; replay < replays_; ++replay) {
    for (std::size_t i = 0; i < first.size(); ++i) {
      const auto sequence = static_cast<std::int64_t>(i);
      const std::int64_t stands = accepted.empty() ? opts.tokens : accepted[i];
      switch (opts.ring) {
        case ring_phase::spread:
          cursors_.push_back(
              cursor_at(opts, sequence, (first[i] + replay) % positions * distance, stands));
          break;
        case ring_phase::mid:
          cursors_.push_back(cursor_at(opts, sequence, opts.checkpoint / 2, 0));
          break;
        case ring_phase::flush:
          cursors_.push_back(cursor_at(opts, sequence, opts.checkpoint - 1, 1));
          break;
      }
    }
  }
  for (const ring_cursor& each : cursors_) {
    const std::int64_t rows = each.count + each.pending;
    live_rows_ += static_cast<double>(rows) / static_cast<double>(replays_);
    if (rows >= opts.checkpoint) checkpoints_ += 1.0 / static_cast<double>(replays_);
  }
}

}  // namespace bench
