#include "graphs/lane/lane_holdings.hpp"

#include "lib/core/cuda_check.hpp"
#include "lib/core/device.hpp"

#include <exception>
#include <utility>

namespace ssugraph::detail {

lane_holdings::lane_holdings(std::shared_ptr<const pipeline_core> core, std::size_t bytes)
    : stream_{make_stream()}, memory_{bytes, stream_.get()} {
  const bool checked = core->checked;
  ticket_.push_back({std::move(core), make_event()});
  name_stream(stream_.get(), "ssugraph lane");
  if (checked) report_.emplace();
  check_cuda(cudaMemsetAsync(memory_.data(), 0, bytes, stream_.get()),
             "cudaMemsetAsync of a lane's memory");
}

lane_holdings::~lane_holdings() {
  report_.reset();
  memory_.free();
  stream_.reset();
  park(std::move(ticket_));
}

void lane_holdings::put_behind(cudaStream_t stream, cudaStream_t follower) {
  check_cuda(cudaEventRecord(flown(), stream), "cudaEventRecord");
  check_cuda(cudaStreamWaitEvent(follower, flown(), 0), "cudaStreamWaitEvent");
}

void lane_holdings::end_behind(cudaStream_t stream) noexcept {
  try {
    if (is_capturing(stream, ticket_.front().core->device)) {
      ticket_.front().over.reset();
      return leak();
    }
    put_behind(stream, stream_.get());
  } catch (const std::exception&) {
    return leak();
  }
  if (!report_ || cudaEventSynchronize(flown()) == cudaSuccess) return;
  cudaGetLastError();
  report_->leak();
}

void lane_holdings::leak() noexcept {
  memory_.leak();
  if (report_) report_->leak();
}

}  // namespace ssugraph::detail
