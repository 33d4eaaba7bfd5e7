#pragma once

#include "checker.hpp"
#include "machine.hpp"
#include "scheduler.hpp"
#include "trace.hpp"
#include "workload.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace serving_loop {

struct serving_options {
  served_shape shape;
  schedule_options schedule;
  ssugraph::mamba_config config;
  ssugraph::target where = ssugraph::target::cuda;
  std::uint64_t seed = 0;
  std::size_t followed_requests = 2;
};

struct bucket_count {
  std::int32_t bucket;
  std::int64_t replays;
  std::string backend;  ///< of the first layer
  std::string algorithm;
};

/** What happened. All but `times` and `wall_seconds` is the same in every run. */
struct serving_result {
  std::string machine;
  std::string plan;  ///< of the first layer in the largest bucket
  std::int64_t steps = 0;
  std::int64_t tokens = 0;
  seconds virtual_time{0};
  std::vector<bucket_count> buckets;
  std::int64_t padded_sequences = 0;
  std::int64_t state_bytes = 0;  ///< read and written by live sequences
  std::int64_t checked_steps = 0;
  check_errors worst;
  std::vector<step_time> times;
  double wall_seconds = 0;  ///< of all steps, checks included
};

/**
 * Serves `requests`: every step lets requests in, prepares their inputs and is one replay. Throws
 * check_failure, and what the library throws.
 */
[[nodiscard]] serving_result serve(const trace& requests, const serving_options& options);

}  // namespace serving_loop
