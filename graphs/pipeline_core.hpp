#pragma once

#include "graphs/lane_registry.hpp"
#include "graphs/step_plan.hpp"

#include <ssugraph/pipeline.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::detail {

/** One SSU layer as a pipeline keeps it. */
struct pipeline_step {
  std::string name;
  ssu_args args;  ///< canonical, cut to the largest bucket
  ssu_problem problem;
  std::vector<step_plan> plans;  ///< one a bucket
  std::int64_t seed = -1;        ///< which of the replay's seeds; -1: none
};

/** What a pipeline and its lanes share. Const but for the registry, which locks itself. */
struct pipeline_core {
  pipeline_core(mamba_config given_config, bucket_policy given_buckets)
      : config{std::move(given_config)}, buckets{std::move(given_buckets)} {}

  mamba_config config;
  bucket_policy buckets;
  target where = target::cuda;
  ssugraph::device device;
  bool programmatic_dependent_launch = true;
  std::int64_t rows_per_sequence = 1;  ///< of the row tensors of a recorded step
  std::int64_t seed_count = 0;
  std::vector<pipeline_step> steps;
  mutable lane_registry lanes;
};

}  // namespace ssugraph::detail
