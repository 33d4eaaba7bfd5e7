#pragma once

#include "graphs/core/live_lanes.hpp"
#include "graphs/core/nvtx.hpp"
#include "lib/core/stream_place.hpp"
#include "lib/step/planned_step.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/detail/callers_runtime.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/recording.hpp>
#include <ssugraph/step.hpp>
#include <ssugraph/target.hpp>
#include <ssugraph/tuning.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ssugraph::detail {

using checked_pointer = std::shared_ptr<const checked_step>;
using planned_pointer = std::shared_ptr<const planned_step>;

/** One step of the library's, from the builder to the lane. */
struct library_step {
  checked_pointer checked;
  bool shares_state = false;             ///< with an earlier step
  std::string sequences{};               ///< whose these are by name; empty: its own
  std::vector<planned_pointer> plans{};  ///< one per bucket, once the pipeline is built
  std::int64_t seed = -1;                ///< which of the replay's seeds; -1: none
};

/** One step of the user's. */
struct custom_step {
  step_function enqueue;
  step_options options;
  std::int64_t first_seed = 0;  ///< of `options.seeds`
  std::size_t neighbour = 0;    ///< the library step whose padded copies its context shows
};

struct pipeline_step {
  std::string name;
  std::variant<library_step, custom_step> what;

  [[nodiscard]] const library_step* library() const noexcept {
    return std::get_if<library_step>(&what);
  }
  [[nodiscard]] const custom_step* custom() const noexcept {
    return std::get_if<custom_step>(&what);
  }
};

/** What `call` returns; an argument that it refuses is named with the step in front. */
template <class Call>
auto named_by(const std::string& step, Call call) {
  try {
    return call();
  } catch (const invalid_argument& error) {
    throw invalid_argument{step + "." + error.argument(), error.expected(), error.came()};
  }
}

/** The ranges of one bucket. */
struct bucket_ranges {
  explicit bucket_ranges(std::int32_t bucket)
      : record{"record " + std::to_string(bucket)},
        replay{"replay " + std::to_string(bucket)},
        run_eager{"run_eager " + std::to_string(bucket)} {}

  nvtx_name record;
  nvtx_name replay;
  nvtx_name run_eager;
};

/** What a pipeline and its lanes share. Const but for `lanes`, which lock themselves and which
 * copies share. */
struct pipeline_core {
  pipeline_core(mamba_config given_config, bucket_policy given_buckets)
      : config{std::move(given_config)},
        buckets{std::move(given_buckets)},
        ranges(buckets.buckets().begin(), buckets.buckets().end()) {}

  mamba_config config;
  bucket_policy buckets;
  std::vector<bucket_ranges> ranges;  ///< one per bucket
  target where = target::cuda;
  callers_last_error last_error;  ///< of who built it
  ssugraph::device device;
  stream_place place;  ///< that it is planned for
  bool programmatic_dependent_launch = true;
  tuning_options tuning;
  recording_options recording;
  bool checked = false;
  std::int64_t max_seqlen = 1;         ///< T
  std::int64_t rows_per_sequence = 1;  ///< most that one has
  std::int64_t row_budget = 0;         ///< most that all have; 0: as many as each of them may
  std::int64_t seed_count = 0;
  bool has_keyed_seeds = false;  ///< some consumer's seed is the same in every replay
  std::size_t scratch_bytes = 0;
  std::size_t first_with_sequences = 0;
  std::vector<pipeline_step> steps;
  std::shared_ptr<live_lanes> lanes = std::make_shared<live_lanes>();

  /** Most rows that so many sequences have: those of the row tensors of a bucket. */
  [[nodiscard]] std::int64_t rows_of(std::int64_t sequences) const noexcept {
    const std::int64_t rows = sequences * rows_per_sequence;
    return row_budget == 0 ? rows : std::min(rows, row_budget);
  }
};

}  // namespace ssugraph::detail
