#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/layout/bindings.hpp"
#include "graphs/layout/lane_layout.hpp"
#include "graphs/record/describe.hpp"

#include <ssugraph/binding.hpp>
#include <ssugraph/lane.hpp>
#include <ssugraph/lane_stats.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace ssugraph::detail {

/** What became of a rebind once nothing could be taken back any more. */
struct rebound {
  std::vector<rebind_outcome> outcomes;  ///< one per bucket
  std::exception_ptr failure;            ///< of the first bucket that was lost to it
};

/** What a lane does on its target. `lane` has checked stream, thread and batch before it calls. */
class lane_engine {
 public:
  lane_engine(std::shared_ptr<const pipeline_core> core, stream_handle stream, bound_steps steps)
      : core_{std::move(core)}, stream_{stream}, layout_{*core_, std::move(steps)} {}
  lane_engine(const lane_engine&) = delete;
  lane_engine& operator=(const lane_engine&) = delete;
  virtual ~lane_engine() = default;

  virtual void replay(std::int32_t batch, std::size_t bucket_index) = 0;
  virtual void run_eager(std::int32_t batch, std::size_t bucket_index) = 0;
  virtual void record_prologue(std::size_t bucket_index, const std::int32_t* live,
                               stream_handle stream) = 0;
  virtual void record_step(std::size_t step, std::span<const binding> bindings,
                           stream_handle stream) = 0;
  /** The prologue and all steps. */
  virtual void record(std::size_t bucket_index, const std::int32_t* live,
                      std::span<const binding> bindings, stream_handle stream) = 0;
  [[nodiscard]] virtual graph_node_handle add_child_graph(
      graph_handle graph, std::span<const graph_node_handle> predecessors, std::size_t bucket_index,
      const std::int32_t* live) = 0;
  /** Goes over to `steps`, on other tensors. What throws left everything as it was. */
  [[nodiscard]] virtual rebound rebind(bound_steps steps) = 0;
  virtual void rebuild(std::size_t bucket_index) = 0;
  [[nodiscard]] virtual ssugraph::random_state random_state() = 0;
  virtual void set_random_state(ssugraph::random_state state) = 0;
  /** Makes `stream` wait for what is in flight and belongs to it from now on. */
  virtual void move_to(stream_handle stream) = 0;
  /** Everything but the counts of replays. */
  [[nodiscard]] virtual lane_stats stats() const = 0;
  /** What was recorded, by bucket. */
  [[nodiscard]] virtual std::vector<described_graph> graphs() const = 0;
  /** Microseconds that a full replay of a bucket takes. Waits for it. */
  [[nodiscard]] virtual double time_replay(std::size_t bucket_index) = 0;

  [[nodiscard]] const pipeline_core& core() const noexcept { return *core_; }
  [[nodiscard]] stream_handle stream() const noexcept { return stream_; }
  [[nodiscard]] const lane_layout& layout() const noexcept { return layout_; }

 protected:
  std::shared_ptr<const pipeline_core> core_;
  stream_handle stream_;
  lane_layout layout_;
};

[[nodiscard]] std::unique_ptr<lane_engine> make_host_lane(std::shared_ptr<const pipeline_core> core,
                                                          stream_handle stream, bound_steps steps);

/** Only in a CUDA build. Records and instantiates every bucket, unless lazily. */
[[nodiscard]] std::unique_ptr<lane_engine> make_cuda_lane(std::shared_ptr<const pipeline_core> core,
                                                          stream_handle stream, bound_steps steps);

}  // namespace ssugraph::detail
