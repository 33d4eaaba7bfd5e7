#pragma once

#include "lib/core/cuda_check.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/kernel_launch.hpp"
#include "profiling/bench/contenders.hpp"
#include "profiling/bench/device_memory.hpp"
#include "profiling/bench/sequences.hpp"

#include <cuda_runtime_api.h>

#include <vector>

namespace bench {

/** Times on one stream. */
class stopwatch {
 public:
  /** Throws cuda_error. */
  stopwatch();

  [[nodiscard]] cudaStream_t stream() const { return stream_.get(); }

  /**
   * Microseconds of the device for what `enqueue` puts on the stream. The stream is kept busy until
   * all of it is there, so that no time of the host counts. Throws cuda_error.
   */
  template <class Enqueue>
  [[nodiscard]] double time(Enqueue enqueue) const {
    using ssugraph::detail::check_cuda;
    delay_.launch(stream());
    check_cuda(cudaEventRecord(begin_.get(), stream()), "cudaEventRecord");
    enqueue();
    check_cuda(cudaEventRecord(end_.get(), stream()), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end_.get()), "cudaEventSynchronize");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()),
               "cudaEventElapsedTime");
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  ssugraph::detail::cuda_stream stream_ = ssugraph::detail::make_stream();
  ssugraph::detail::cuda_event begin_ = ssugraph::detail::make_timing_event();
  ssugraph::detail::cuda_event end_ = ssugraph::detail::make_timing_event();
  device_memory delay_out_;
  ssugraph::detail::kernel_launch delay_;
};

/** Of measured times, microseconds. */
struct spread {
  double median = 0;
  double p10 = 0;
  double p90 = 0;
  double least = 0;
};

[[nodiscard]] spread spread_of(std::vector<double> times);

/** Bytes a microsecond, read and written, of a copy that no cache holds. Throws cuda_error. */
[[nodiscard]] double copy_rate(const stopwatch& watch);

/**
 * Whole replays of each contender that serves, in their order: an empty list for the others. They
 * take turns, each time on the next slots of `seqs`; with rings a turn is the mean of a round.
 * Throws as replays do.
 */
[[nodiscard]] std::vector<std::vector<double>> take_turns(std::vector<contender>& contenders,
                                                          sequences& seqs, int rounds,
                                                          const stopwatch& watch);

}  // namespace bench
