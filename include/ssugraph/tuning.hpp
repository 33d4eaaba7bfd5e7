#pragma once

/** @file
 *  How a pipeline chooses among backends. */

#include <ssugraph/export.hpp>

#include <string>

namespace ssugraph {

/** How backend `automatic` chooses, and whether buckets may differ. */
struct tuning_options {
  /** Measure the candidates of every bucket when the pipeline is built; else go by a fixed table.
   *  Only backend `automatic` measures. */
  bool measure = true;
  /** One backend, algorithm and tile for all buckets of a problem, so that a sequence's results do
   *  not depend on how many others there are. Any backend. */
  bool batch_invariant = false;
  /** Of the free device memory, what scratch may take. A bucket that does not fit takes the plan of
   *  the largest that did. */
  double scratch_fraction = 0.25;
  /** JSON file that keeps measurements, by GPU, driver, library version and problem. Empty: none.
   *  What does not fit or cannot be read, whatever the file holds, is left aside with one warning
   *  to the log, measured anew and replaced; only what is no regular file stays as it is. Processes
   *  may share the file: each adds to what it holds by then, in turns where the file system has
   *  locks. A file of that name with `.lock` behind it stays beside it. */
  std::string cache_file = {};

  bool operator==(const tuning_options&) const = default;
};

}  // namespace ssugraph
