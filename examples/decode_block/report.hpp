#pragma once

#include "checks.hpp"
#include "models.hpp"

#include <ssugraph/config.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace decode_block {

/** Median microseconds of a step for a batch that fills its bucket. */
struct step_times {
  std::int32_t batch;
  double replay_overlapped;  ///< one graph; programmatic dependent launch on
  double replay;             ///< one graph; off
  double eager_overlapped;   ///< the same launches without a graph
  double eager;
};

struct decoder_report {
  decode_block::model model;
  ssugraph::mamba_config config;
  std::string machine;
  std::string plan;   ///< of the SSU in the largest bucket
  std::size_t nodes;  ///< of the graph of the largest bucket
  int rounds;
  check_result check;  ///< nothing in it: not asked for
  std::vector<step_times> times;
};

[[nodiscard]] std::string to_text(const decoder_report& report);
[[nodiscard]] std::string to_json(const decoder_report& report);

}  // namespace decode_block
