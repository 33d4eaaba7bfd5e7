#include "cuda_machine.hpp"

#include <ssugraph/error.hpp>

#include <cuda_runtime_api.h>

#include <array>
#include <string>
#include <utility>

namespace serving_loop {
namespace {

void check(cudaError_t code, const char* call) {
  if (code != cudaSuccess) throw ssugraph::cuda_error{code, call, cudaGetErrorString(code)};
}

struct destroy {
  void operator()(cudaStream_t stream) const { (void)cudaStreamDestroy(stream); }
  void operator()(cudaEvent_t event) const { (void)cudaEventDestroy(event); }
  void operator()(std::int32_t* pinned) const { (void)cudaFreeHost(pinned); }
};
using unique_stream = std::unique_ptr<CUstream_st, destroy>;
using unique_event = std::unique_ptr<CUevent_st, destroy>;
using unique_pinned = std::unique_ptr<std::int32_t, destroy>;

unique_stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return unique_stream{stream};
}

unique_event make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  return unique_event{event};
}

unique_pinned make_pinned(std::size_t size) {
  void* data = nullptr;
  check(cudaMallocHost(&data, size * sizeof(std::int32_t)), "cudaMallocHost");
  return unique_pinned{static_cast<std::int32_t*>(data)};
}

/** What a step in flight holds on to. */
struct flight {
  explicit flight(std::size_t table_size) : table{make_pinned(table_size)} {
    for (unique_event& mark : marks)
      mark = make_event();
  }

  [[nodiscard]] cudaEvent_t at(moment point) const {
    return marks[static_cast<std::size_t>(point)].get();
  }

  unique_pinned table;
  std::array<unique_event, moments> marks;
};

class cuda_machine final : public machine {
 public:
  explicit cuda_machine(std::size_t table_size) : stream_{make_stream()} {
    for (std::size_t i = 0; i < most_in_flight; ++i)
      flights_.emplace_back(table_size);
  }

  ~cuda_machine() override { (void)cudaStreamSynchronize(stream_.get()); }

  [[nodiscard]] std::string name() const override {
    int device = 0;
    cudaDeviceProp properties{};
    check(cudaGetDevice(&device), "cudaGetDevice");
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    return properties.name;
  }

  [[nodiscard]] ssugraph::stream_handle stream() const override { return stream_.get(); }

  [[nodiscard]] std::size_t free_bytes() const override {
    std::size_t free = 0;
    std::size_t total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
  }

  memory allocate(std::size_t bytes) override {
    void* data = nullptr;
    check(cudaMalloc(&data, bytes), "cudaMalloc");
    memory owned{static_cast<std::byte*>(data), [](std::byte* each) { (void)cudaFree(each); }};
    check(cudaMemsetAsync(data, 0, bytes, stream_.get()), "cudaMemsetAsync");
    return owned;
  }

  void copy(void* to, const void* from, std::size_t bytes) override {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_.get()), "cudaMemcpyAsync");
  }

  void make_inputs(const input_job& job) override { enqueue_inputs(job, stream_.get()); }

  void synchronize() override {
    check(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize");
  }

  std::int32_t* begin_step() override {
    if (begun_ - done_ == most_in_flight) retire_oldest();
    ++begun_;
    mark(moment::begin);
    return current().table.get();
  }

  void mark(moment point) override {
    check(cudaEventRecord(current().at(point), stream_.get()), "cudaEventRecord");
  }

  std::vector<step_time> finish() override {
    while (done_ < begun_)
      retire_oldest();
    return std::move(times_);
  }

 private:
  // Enough that the host stays ahead of the device.
  static constexpr std::size_t most_in_flight = 4;

  flight& current() { return flights_[(begun_ - 1) % most_in_flight]; }

  void retire_oldest() {
    const flight& oldest = flights_[done_ % most_in_flight];
    check(cudaEventSynchronize(oldest.at(moment::replayed)), "cudaEventSynchronize");
    const auto milliseconds = [&](moment from, moment to) {
      float time = 0;
      check(cudaEventElapsedTime(&time, oldest.at(from), oldest.at(to)), "cudaEventElapsedTime");
      return double{time};
    };
    times_.push_back({milliseconds(moment::begin, moment::prepared),
                      milliseconds(moment::replay, moment::replayed)});
    ++done_;
  }

  unique_stream stream_;
  std::vector<flight> flights_;
  std::size_t begun_ = 0;
  std::size_t done_ = 0;
  std::vector<step_time> times_;
};

}  // namespace

std::unique_ptr<machine> make_cuda_machine(std::size_t table_size) {
  return std::make_unique<cuda_machine>(table_size);
}

}  // namespace serving_loop
