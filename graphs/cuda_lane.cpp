#include "graphs/lane_engine.hpp"
#include "graphs/nvtx.hpp"
#include "graphs/prologue_kernel.hpp"
#include "graphs/step_chain.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/device.hpp"

#include <string>
#include <utility>

namespace ssugraph::detail {
namespace {

/** Device memory that is freed in the order of its own stream. */
class stream_ordered_memory {
 public:
  stream_ordered_memory(std::size_t bytes, cudaStream_t stream) : stream_{stream} {
    void* memory = nullptr;
    check_cuda(cudaMallocAsync(&memory, bytes, stream), "cudaMallocAsync of a lane's memory");
    data_ = static_cast<std::byte*>(memory);
  }
  stream_ordered_memory(const stream_ordered_memory&) = delete;
  stream_ordered_memory& operator=(const stream_ordered_memory&) = delete;
  ~stream_ordered_memory() { free(); }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  void leak() noexcept { data_ = nullptr; }
  void free() noexcept {
    if (data_ != nullptr && cudaFreeAsync(data_, stream_) != cudaSuccess) cudaGetLastError();
    data_ = nullptr;
  }

 private:
  cudaStream_t stream_;
  std::byte* data_ = nullptr;
};

/** The graph of one bucket and the launches it was made of. */
struct recorded_bucket {
  std::int32_t bucket = 0;
  std::vector<step_launch> steps;
  cuda_graph graph;
  cuda_graph_exec exec;
  cudaGraphNode_t prologue = nullptr;
  std::int32_t live = 0;  ///< what the executable's prologue counts at present
};

/** Throws invalid_argument unless `stream` belongs to `home`; the null stream belongs to any. */
void check_device(device home, stream_handle stream) {
  if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) return;
  device where;
  check_cuda(cudaStreamGetDevice(stream, &where.ordinal), "cudaStreamGetDevice");
  if (where == home) return;
  throw invalid_argument{"stream", "one of CUDA device " + std::to_string(home.ordinal),
                         "one of CUDA device " + std::to_string(where.ordinal)};
}

class cuda_lane final : public lane_engine {
 public:
  cuda_lane(std::shared_ptr<const pipeline_core> core, stream_handle stream,
            std::vector<ssu_args> arguments)
      : lane_engine{std::move(core), stream, std::move(arguments)},
        internal_{make_stream()},
        flown_{make_event()},
        arena_{layout_.bytes(), internal_.get()} {
    layout_.place(arena_.data());
    check_cuda(cudaMemsetAsync(arena_.data(), 0, layout_.bytes(), internal_.get()),
               "cudaMemsetAsync of a lane's memory");
    check_cuda(cudaMemcpyAsync(layout_.table(), layout_.jobs().data(), layout_.jobs().size_bytes(),
                               cudaMemcpyHostToDevice, internal_.get()),
               "cudaMemcpyAsync of a lane's table");
    for (std::size_t index = 0; index < core_->buckets.buckets().size(); ++index) {
      buckets_.push_back(record(index));
    }
    check_cuda(cudaStreamSynchronize(internal_.get()), "cudaStreamSynchronize of a build");
  }

  ~cuda_lane() override {
    // The internal stream frees the memory, behind whatever the lane's stream still runs. A stream
    // that is being captured cannot be followed: then leaking beats freeing under a replay.
    const relaxed_capture relaxed;
    if (!follow_stream()) arena_.leak();
    buckets_.clear();
    arena_.free();
    flown_.reset();
    internal_.reset();
  }

  void replay(std::int32_t batch, std::size_t bucket_index) override {
    check_not_capturing();
    recorded_bucket& recorded = buckets_[bucket_index];
    if (recorded.live != batch) {
      const device_guard guard{core_->device.ordinal};
      update_prologue(recorded.exec.get(), recorded.prologue,
                      layout_.prologue(batch, recorded.bucket));
      recorded.live = batch;
    }
    check_cuda(cudaGraphLaunch(recorded.exec.get(), stream_), "cudaGraphLaunch");
  }

  void run_eager(std::int32_t batch, std::size_t bucket_index) override {
    check_not_capturing();
    const device_guard guard{core_->device.ordinal};
    const recorded_bucket& recorded = buckets_[bucket_index];
    lower_prologue(layout_.prologue(batch, recorded.bucket)).launch(stream_);
    each_step(recorded.bucket, [&](std::size_t step) { launch(recorded.steps[step], stream_); });
  }

  ssugraph::random_state random_state() override {
    check_not_capturing();
    ssugraph::random_state state;
    check_cuda(
        cudaMemcpyAsync(&state, layout_.random(), sizeof state, cudaMemcpyDeviceToHost, stream_),
        "cudaMemcpyAsync of the random state");
    check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize for the random state");
    return state;
  }

  void set_random_state(ssugraph::random_state state) override {
    check_not_capturing();
    check_cuda(
        cudaMemcpyAsync(layout_.random(), &state, sizeof state, cudaMemcpyHostToDevice, stream_),
        "cudaMemcpyAsync of the random state");
  }

  void move_to(stream_handle stream) override {
    check_not_capturing();
    check_device(core_->device, stream);
    check_cuda(cudaEventRecord(flown_.get(), stream_), "cudaEventRecord");
    check_cuda(cudaStreamWaitEvent(stream, flown_.get(), 0), "cudaStreamWaitEvent");
    stream_ = stream;
  }

 private:
  void check_not_capturing() const {
    if (!is_capturing(stream_)) return;
    throw invalid_state{"the lane's stream", "is being captured",
                        "use the lane before or after the capture"};
  }

  /** Orders the internal stream behind the lane's; false where that cannot be. */
  [[nodiscard]] bool follow_stream() noexcept {
    try {
      const device_guard guard{core_->device.ordinal};
      if (is_capturing(stream_)) return false;
      check_cuda(cudaEventRecord(flown_.get(), stream_), "cudaEventRecord");
      check_cuda(cudaStreamWaitEvent(internal_.get(), flown_.get(), 0), "cudaStreamWaitEvent");
      return true;
    } catch (const cuda_error&) {
      return false;
    }
  }

  /** Runs `apply(step)` for every step; a cuda_error there gets the step's name and the bucket. */
  template <class Apply>
  void each_step(std::int32_t bucket, Apply apply) const {
    for (std::size_t step = 0; step < core_->steps.size(); ++step) {
      try {
        apply(step);
      } catch (const cuda_error& error) {
        throw cuda_error{error, core_->steps[step].name, bucket};
      }
    }
  }

  [[nodiscard]] recorded_bucket record(std::size_t bucket_index) const {
    recorded_bucket recorded;
    recorded.bucket = core_->buckets.buckets()[bucket_index];
    const nvtx_range range{"record", recorded.bucket};
    recorded.live = recorded.bucket;
    recorded.graph = make_graph();
    recorded.prologue = lower_prologue(layout_.prologue(recorded.live, recorded.bucket))
                            .add_to(recorded.graph.get(), {});
    recorded.steps = lower_steps(bucket_index);
    std::vector<cudaGraphNode_t> frontier{recorded.prologue};
    each_step(recorded.bucket, [&](std::size_t step) {
      add_to(recorded.graph.get(), frontier, recorded.steps[step], internal_.get());
    });
    recorded.exec = instantiate(recorded.graph.get());
    check_cuda(cudaGraphUpload(recorded.exec.get(), internal_.get()), "cudaGraphUpload");
    return recorded;
  }

  [[nodiscard]] std::vector<step_launch> lower_steps(std::size_t bucket_index) const {
    const std::int32_t bucket = core_->buckets.buckets()[bucket_index];
    std::vector<chain_link> links;
    for (std::size_t step = 0; step < core_->steps.size(); ++step) {
      links.push_back(
          {&core_->steps[step].plans[bucket_index], layout_.step_arguments(step, bucket)});
    }
    return lower_chain(links, core_->programmatic_dependent_launch);
  }

  cuda_stream internal_;
  cuda_event flown_;
  stream_ordered_memory arena_;
  std::vector<recorded_bucket> buckets_;
};

}  // namespace

std::unique_ptr<lane_engine> make_cuda_lane(std::shared_ptr<const pipeline_core> core,
                                            stream_handle stream, std::vector<ssu_args> arguments) {
  const device_guard guard{core->device.ordinal};
  check_device(core->device, stream);
  return std::make_unique<cuda_lane>(std::move(core), stream, std::move(arguments));
}

}  // namespace ssugraph::detail
