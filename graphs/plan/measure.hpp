#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/core/stopwatch.hpp"
#include "graphs/plan/scratch.hpp"
#include "graphs/plan/tuning_cache.hpp"
#include "graphs/plan/tuning_key.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/step/planned_step.hpp"

#include <cstdint>
#include <span>

namespace ssugraph::detail {

/** Times the plans of a step under graph replay, on scratch memory. A graph launches a plan many
 *  times, and each launch uses slots of its own. */
class measuring_bench {
 public:
  /**
   * Measures on `place`, and takes at most `fraction` of the free memory of the step's device. Only
   * the layout of its tensors is used. Launches follow one another in the `manner` of the pipeline.
   * Throws cuda_error.
   */
  measuring_bench(const checked_step& step, const stream_place& place, launch_manner manner,
                  double fraction);

  [[nodiscard]] bool fits(std::int64_t sequences) const noexcept {
    return scratch_.fits(sequences);
  }

  /** One row a candidate, in their order, without verdicts. Throws what the backends throw. */
  [[nodiscard]] timing_table measure(std::span<const plan_choice> candidates,
                                     std::int64_t sequences);

 private:
  [[nodiscard]] std::int64_t launches_of(std::int64_t sequences) const noexcept;
  /** A graph of launches in a row. */
  [[nodiscard]] cuda_graph record(const planned_pointer& planned, std::int64_t sequences) const;
  /** The same for a candidate, as an executable. */
  [[nodiscard]] cuda_graph_exec prepare(const plan_choice& candidate, std::int64_t sequences) const;
  [[nodiscard]] double measure_copy_rate() const;

  const checked_step& step_;
  stream_place place_;
  launch_manner manner_;
  context_guard guard_;
  relaxed_capture relaxed_;
  cuda_stream stream_;
  stopwatch stopwatch_;
  scratch_tensors scratch_;
  double copied_bytes_a_us_ = 0.0;
};

}  // namespace ssugraph::detail
