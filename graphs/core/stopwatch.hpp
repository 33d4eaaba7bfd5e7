#pragma once

#include "lib/core/cuda_check.hpp"
#include "lib/core/cuda_handle.hpp"

#include <cuda_runtime_api.h>

namespace ssugraph::detail {

/** Times work on a stream, between two events of the current context. */
class stopwatch {
 public:
  /** Throws cuda_error. */
  explicit stopwatch(cudaStream_t stream) : stream_{stream} {}

  /** Calls `enqueue` and waits for what it puts on the stream: its time in microseconds. Throws
   *  cuda_error, and what `enqueue` throws. */
  template <class Enqueue>
  [[nodiscard]] double time_us(Enqueue enqueue) const {
    check_cuda(cudaEventRecord(begin_.get(), stream_), "cudaEventRecord");
    enqueue();
    check_cuda(cudaEventRecord(end_.get(), stream_), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end_.get()), "cudaEventSynchronize of a measurement");
    float milliseconds = 0.0f;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()),
               "cudaEventElapsedTime");
    return 1000.0 * static_cast<double>(milliseconds);
  }

 private:
  cudaStream_t stream_;
  cuda_event begin_ = make_timing_event();
  cuda_event end_ = make_timing_event();
};

}  // namespace ssugraph::detail
