#pragma once

#include "graphs/lane/parked.hpp"
#include "graphs/layout/lane_memory.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/step/promises_kernel.hpp"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <optional>

namespace ssugraph::detail {

/** What a lane holds until its last replay is over: its memory, the word that replays report to,
 *  and the pipeline. Where CUDA still works the lane's context is current, in relaxed capture mode,
 *  in every call but `report`. */
class lane_holdings {
 public:
  /** `bytes` of memory, which `stream()` makes zero. Throws cuda_error. */
  lane_holdings(std::shared_ptr<const pipeline_core> core, std::size_t bytes);
  lane_holdings(const lane_holdings&) = delete;
  lane_holdings& operator=(const lane_holdings&) = delete;
  /** Frees the memory in the order of `stream()`, and parks the pipeline. */
  ~lane_holdings();

  [[nodiscard]] std::byte* memory() const noexcept { return memory_.data(); }
  /** The lane's own stream, for what it uploads and frees. */
  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_.get(); }
  /** Where broken promises are reported; null unless in checked mode. */
  [[nodiscard]] broken_promise* report() const noexcept {
    return report_ ? report_->word() : nullptr;
  }

  /** Puts `follower` behind all that `stream` was given. Throws cuda_error. */
  void put_behind(cudaStream_t stream, cudaStream_t follower);

  /** Before the end: what is freed is freed behind all that the lane's `stream` was given. While
   *  that is captured nobody can tell, and all is leaked, the pipeline included. */
  void end_behind(cudaStream_t stream) noexcept;
  /** The same where CUDA runs nothing any more, or nobody can tell what it runs: leaking beats
   *  freeing under a replay. */
  void leak() noexcept;

 private:
  /** Reached when the work is over that was in flight as it was recorded last. */
  [[nodiscard]] cudaEvent_t flown() const noexcept { return ticket_.front().over.get(); }

  parking_ticket ticket_;
  cuda_stream stream_;
  std::optional<mapped_report> report_;
  stream_ordered_memory memory_;
};

}  // namespace ssugraph::detail
