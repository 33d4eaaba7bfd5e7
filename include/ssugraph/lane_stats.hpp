#pragma once

/** @file
 *  What a lane did. */

#include <ssugraph/export.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ssugraph {

/** One bucket of a lane, as recorded. */
struct bucket_stats {
  std::int32_t bucket = 0;          ///< sequences
  std::uint64_t replays = 0;        ///< by `replay`
  std::uint64_t moved_bytes = 0;    ///< as that of lane_stats, of these
  bool recorded = false;            ///< there is an executable
  std::size_t nodes = 0;            ///< of its graph
  double build_ms = 0.0;            ///< recording, instantiation, upload
  std::size_t estimated_bytes = 0;  ///< device memory of the executable, by its nodes
};

/** What a lane did so far. */
struct lane_stats {
  std::uint64_t replays = 0;           ///< by `replay`
  std::uint64_t padded_sequences = 0;  ///< sum over them of bucket - batch
  std::uint64_t moved_bytes = 0;       ///< that their SSU steps must at least read and write
  std::uint64_t lazy_builds = 0;       ///< buckets that a first use recorded
  std::uint64_t retries = 0;           ///< recordings of a step repeated, for a capture was spoiled
  std::size_t own_bytes = 0;           ///< the lane's device memory: copies, seeds, scratch
  std::vector<bucket_stats> buckets;   ///< ascending
};

}  // namespace ssugraph
