#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/layout/lane_memory.hpp"
#include "graphs/plan/slot_rotation.hpp"
#include "graphs/plan/tuning_cache.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/step/planned_step.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

/** Times the plans of a step under graph replay, on scratch memory. */
namespace ssugraph::detail {

/** GPU, driver and library version. Throws cuda_error. */
[[nodiscard]] tuning_machine machine_of(device where);

/**
 * Scratch tensors laid out as those of a step, for as many sequences as fit. A graph launches
 * a plan many times, each on slots of its own, so that the state comes from memory and not from the
 * L2 cache; launches overlap as they would in a pipeline.
 */
class measuring_bench {
 public:
  /** Measures on `place`, and takes at most `fraction` of the free memory of the step's device.
   *  Only the layout of its tensors is used. `back_to_back`: let each
   *  launch start early for the one behind it, as where steps of one kind follow one another.
   *  Throws cuda_error. */
  measuring_bench(const checked_step& step, const stream_place& place, bool back_to_back,
                  double fraction);
  measuring_bench(const measuring_bench&) = delete;
  measuring_bench& operator=(const measuring_bench&) = delete;
  ~measuring_bench();

  [[nodiscard]] bool fits(std::int64_t sequences) const noexcept {
    return sequences <= most_sequences_;
  }

  /** One row a candidate, in their order, without verdicts. Throws what the backends throw. */
  [[nodiscard]] timing_table measure(std::span<const plan_choice> candidates,
                                     std::int64_t sequences);

 private:
  [[nodiscard]] std::int64_t launches_of(std::int64_t sequences) const noexcept;
  /** The scratch tensors at `base`, and the bytes that they take. */
  [[nodiscard]] std::pair<bound_tensors, std::size_t> placed(std::int64_t sequences,
                                                             std::byte* base) const;
  [[nodiscard]] std::size_t bytes_for(std::int64_t sequences) const;
  [[nodiscard]] std::vector<std::int64_t> integers_of(operand_role role) const;
  void fill();
  /** Those of launch `launch`. */
  [[nodiscard]] bound_tensors tensors_of(std::int64_t sequences, std::int64_t launch) const;
  /** A graph of its launches in a row, each on tensors of its own. */
  [[nodiscard]] cuda_graph record(const planned_pointer& planned, std::int64_t sequences) const;
  [[nodiscard]] cuda_graph_exec record(const plan_choice& candidate, std::int64_t sequences);
  [[nodiscard]] double replay_us(cudaGraphExec_t exec, std::int64_t sequences);
  [[nodiscard]] double measure_copy_rate();
  template <class Enqueue>
  double time_us(Enqueue enqueue);

  const checked_step& step_;
  const step_traits& traits_;
  stream_place place_;
  bool back_to_back_;
  context_guard guard_;
  relaxed_capture relaxed_;
  cuda_stream stream_;
  cuda_event begin_;
  cuda_event end_;
  slot_rotation rotation_;
  std::int64_t most_sequences_ = 0;
  std::unique_ptr<stream_ordered_memory> memory_;
  bound_tensors scratch_;
  double copied_bytes_a_us_ = 0.0;
};

}  // namespace ssugraph::detail
