#pragma once

#include "graphs/lane_registry.hpp"
#include "graphs/nvtx.hpp"
#include "graphs/step_plan.hpp"

#include <ssugraph/pipeline.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ssugraph::detail {

/** One SSU layer as a pipeline keeps it. */
struct ssu_step {
  ssu_args args;  ///< canonical, cut to the largest bucket
  ssu_problem problem;
  ssu_options options;
  std::vector<step_plan> plans;  ///< one a bucket
  std::int64_t seed = -1;        ///< which of the replay's seeds; -1: none
};

/** One step of the user's. */
struct custom_step {
  step_function enqueue;
  step_options options;
  std::int64_t first_seed = 0;  ///< of `options.seeds`
  std::size_t neighbour = 0;    ///< the SSU step whose padded copies its context shows
};

struct pipeline_step {
  std::string name;
  std::variant<ssu_step, custom_step> what;

  [[nodiscard]] const ssu_step* ssu() const noexcept { return std::get_if<ssu_step>(&what); }
  [[nodiscard]] const custom_step* custom() const noexcept {
    return std::get_if<custom_step>(&what);
  }
};

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

/** What a pipeline and its lanes share. Const but for the registry, which locks itself. */
struct pipeline_core {
  pipeline_core(mamba_config given_config, bucket_policy given_buckets)
      : config{std::move(given_config)},
        buckets{std::move(given_buckets)},
        ranges(buckets.buckets().begin(), buckets.buckets().end()) {}

  mamba_config config;
  bucket_policy buckets;
  std::vector<bucket_ranges> ranges;  ///< one a bucket
  target where = target::cuda;
  ssugraph::device device;
  bool programmatic_dependent_launch = true;
  recording_options recording;
  bool checked = false;
  std::int64_t max_seqlen = 1;         ///< T
  std::int64_t rows_per_sequence = 1;  ///< of the row tensors of a recorded step
  std::int64_t seed_count = 0;
  std::size_t scratch_bytes = 0;
  std::size_t first_ssu = 0;  ///< an SSU step
  std::vector<pipeline_step> steps;
  mutable lane_registry lanes;
};

}  // namespace ssugraph::detail
