#pragma once

#include "lib/ops/ssu/registry.hpp"
#include "lib/step/planned_step.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>

#include <cstdint>
#include <memory>
#include <string>

/** The SSU as a step of a pipeline. */
namespace ssugraph::detail {

/** What a pipeline chose for all of its SSU steps. */
struct ssu_setup {
  mamba_config config;
  backend_pointer backend;
  std::string algorithm;        ///< of that backend, or `auto`
  std::int64_t max_batch = 1;   ///< sequences of the largest bucket
  std::int64_t row_budget = 0;  ///< most rows of all of them; 0: T each
  int multiprocessors = 0;      ///< to plan for; 0: all of the device's
};

/**
 * The setup of `config`. On the host every step is resolved to the CPU, whatever it says. Throws
 * invalid_argument and unsupported.
 */
[[nodiscard]] ssu_setup setup_ssu(mamba_config config, bool on_host, std::int64_t max_batch);

/**
 * The step that runs `args`, cut to the largest bucket, as a pipeline launches it: on copies of the
 * index and count tensors, with a seed of its lane's. Throws invalid_argument.
 */
[[nodiscard]] std::shared_ptr<const checked_step> check_ssu(const ssu_args& args, ssu_setup setup);

/** The plan of an SSU; null of another operation. */
[[nodiscard]] const ssu_plan* ssu_plan_of(const planned_step& planned);

}  // namespace ssugraph::detail
