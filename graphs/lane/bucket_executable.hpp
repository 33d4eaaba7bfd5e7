#pragma once

#include "graphs/layout/lane_layout.hpp"
#include "graphs/record/bucket_graph.hpp"
#include "graphs/record/graph_recorder.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/stream_place.hpp"

#include <ssugraph/lane.hpp>
#include <ssugraph/lane_stats.hpp>
#include <ssugraph/recording.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ssugraph::detail {

/**
 * A bucket of a lane: nothing at first, then recorded, then an executable that is launched. The
 * context of the lane's stream is current in every call that may throw cuda_error; whatever is no
 * launch runs in relaxed capture mode.
 */
class bucket_executable {
 public:
  bucket_executable() = default;

  /** Records a bucket on the tensors and the memory of `layout`. Throws as graph_recorder::record.
   */
  bucket_executable(graph_recorder& recorder, const lane_layout& layout, std::size_t bucket_index);

  /** Instantiates what was recorded and uploads it in the order of `stream`. Throws cuda_error. */
  void instantiate(cudaStream_t stream);

  /** Runs it, with so many sequences live: its prologue is updated where the launch before had
   *  another count. Throws cuda_error. */
  void launch(const lane_layout& layout, std::int32_t live, cudaStream_t stream);
  /** The same launches one by one, without the graph. Throws as their steps do. */
  void run_eager(const lane_layout& layout, std::int32_t live, cudaStream_t stream) const;

  /**
   * Brings the executable to `next`, which is recorded on other tensors: by parameters of its
   * kernel nodes, by an update of the whole, or by another one, uploaded in the order of `stream`.
   * Throws cuda_error; whatever it throws, the executable is lost then.
   */
  rebind_outcome go_over(bucket_executable next, cudaStream_t stream);

  /** Whether there is an executable. */
  [[nodiscard]] bool is_ready() const noexcept { return exec_ != nullptr; }
  /** Whether there was one, until `go_over` failed. */
  [[nodiscard]] bool is_lost() const noexcept { return lost_; }
  [[nodiscard]] const bucket_graph& recorded() const noexcept { return recorded_; }
  /** Device memory of the executable. */
  [[nodiscard]] std::size_t estimated_bytes() const;
  /** Everything but replays and what they moved. */
  [[nodiscard]] bucket_stats stats() const;

 private:
  [[nodiscard]] std::size_t nodes() const;
  void update_launches(const bucket_graph& next);
  rebind_outcome replace(bucket_executable next, cudaStream_t stream);

  bucket_graph recorded_;
  cuda_graph_exec exec_;
  context_handle part_ = nullptr;  ///< that kernel nodes run in
  std::int32_t live_ = 0;  ///< what the executable's prologue counts at present; -1: has to be set
  bool lost_ = false;
  double build_ms_ = 0.0;
};

/** Throws invalid_argument if a lane of `bytes` and `buckets` would be over its budget with `next`
 *  for the bucket at `index`. */
void check_budget(const recording_options& budget, std::size_t bytes,
                  std::span<const bucket_executable> buckets, std::size_t index,
                  const bucket_executable& next);

}  // namespace ssugraph::detail
