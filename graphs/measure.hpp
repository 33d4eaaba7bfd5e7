#pragma once

#include "graphs/lane_memory.hpp"
#include "graphs/slot_rotation.hpp"
#include "graphs/step_chain.hpp"
#include "graphs/tuning_cache.hpp"
#include "lib/core/cuda_handle.hpp"

#include <ssugraph/ssu.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

/** Times SSU plans under graph replay, on scratch memory. */
namespace ssugraph::detail {

/** GPU, driver and library version. Throws cuda_error. */
[[nodiscard]] tuning_machine machine_of(device where);

/**
 * Scratch tensors laid out as those of one problem, for as many sequences as fit. A graph launches
 * a plan many times, each on slots of its own, so that the state comes from memory and not from the
 * L2 cache; launches overlap as they would in a pipeline.
 */
class measuring_bench {
 public:
  /**
   * Takes at most `fraction` of the free memory of the problem's device. `args` are canonical, cut
   * to the largest bucket; only their layout is used. `back_to_back`: as in lower_chain. Throws
   * cuda_error.
   */
  measuring_bench(const ssu_args& args, const ssu_problem& problem, bool back_to_back,
                  double fraction);
  measuring_bench(const measuring_bench&) = delete;
  measuring_bench& operator=(const measuring_bench&) = delete;
  ~measuring_bench();

  [[nodiscard]] bool fits(std::int64_t sequences) const noexcept {
    return sequences <= most_sequences_;
  }

  /** One row a candidate, in their order, without verdicts. Throws what the backends throw. */
  [[nodiscard]] timing_table measure(std::span<const ssu_plan> candidates, std::int64_t sequences);

 private:
  [[nodiscard]] std::int64_t launches_of(std::int64_t sequences) const noexcept;
  /** The scratch tensors at `base`, and the bytes that they take. */
  [[nodiscard]] std::pair<ssu_args, std::size_t> placed(const ssu_args& args,
                                                        std::int64_t sequences,
                                                        std::byte* base) const;
  [[nodiscard]] std::size_t bytes_for(const ssu_args& args, std::int64_t sequences) const;
  void fill();
  [[nodiscard]] ssu_args arguments(std::int64_t sequences, std::int64_t launch) const;
  /** A graph of `launches` in a row. */
  [[nodiscard]] cuda_graph record(const std::vector<step_launch>& launches) const;
  [[nodiscard]] cuda_graph_exec record(const ssu_plan& candidate, std::int64_t sequences);
  [[nodiscard]] double replay_us(cudaGraphExec_t exec, std::int64_t sequences);
  [[nodiscard]] double measure_copy_rate();
  template <class Enqueue>
  double time_us(Enqueue enqueue);

  ssu_problem problem_;
  bool back_to_back_;
  device_guard guard_;
  cuda_stream stream_;
  cuda_event begin_;
  cuda_event end_;
  slot_rotation rotation_;
  std::int64_t most_sequences_ = 0;
  std::unique_ptr<stream_ordered_memory> memory_;
  ssu_args scratch_;
  double copied_bytes_a_us_ = 0.0;
};

}  // namespace ssugraph::detail
