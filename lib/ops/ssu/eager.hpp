#pragma once

#include "lib/ops/ssu/backends/planned_ssu.hpp"
#include "lib/ops/ssu/problem/validate.hpp"
#include "lib/ops/ssu/registry.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <mutex>

namespace ssugraph::detail {

/** What a dispatch shares with the calls that it prepared. */
struct eager_state {
  [[nodiscard]] std::int64_t draw_seed() noexcept;

  mamba_config config;
  backend_pointer backend;
  bool checked = false;
  bool programmatic = false;
  std::mutex random_mutex;
  random_state random;
};

/** As validate. Throws invalid_argument for a cursor, too: only a pipeline has a prologue, which
 *  makes plans of it. */
[[nodiscard]] validated_ssu validate_eager(const ssu_args& args, const mamba_config& config);

/**
 * Enqueues `planned`, a plan of `problem`, for `sequences` sequences, at least one: verifies
 * promises in checked mode, draws a seed where one is needed. `args` are canonical and match the
 * plan. Throws invalid_argument, invalid_state and cuda_error.
 */
void enqueue_eager(eager_state& state, const ssu_problem& problem, const planned_ssu& planned,
                   const ssu_args& args, std::int64_t sequences, stream_handle stream);

}  // namespace ssugraph::detail
