#include "lib/core/cuda_context.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/step/kernel_launches.hpp"
#include "tests/graphs/scale_out/scale_out.hpp"

namespace ssugraph::test {
namespace {

constexpr int block_threads = 128;

/** A block a row. It lets the launch behind start early, so nobody may read ahead what it writes:
 *  the graph's builder proves that, by the operands of the launches. */
__global__ void __launch_bounds__(block_threads) scale_kernel(const scale_params p) {
  if (!p.inputs_ahead) detail::wait_for_predecessor();
  const float factor = *static_cast<const volatile float*>(p.factor);
  float* const row = p.out + blockIdx.x * p.row_stride;
  for (std::int64_t i = p.first + threadIdx.x; i < p.last; i += block_threads) {
    const float scaled = row[i] * factor;
    detail::wait_for_predecessor();
    row[i] = scaled;
  }
  detail::wait_and_trigger();
}

const void* const kernel = reinterpret_cast<const void*>(&scale_kernel);

class scale_kernels final : public planned_scale, public detail::kernel_launches {
 public:
  scale_kernels(std::int64_t sequences, std::int64_t channels, int launches, int device)
      : planned_scale{sequences, channels, launches}, device_{device} {
    launches_.resize(static_cast<std::size_t>(launches),
                     {.operands = detail::operands_of_whole(scale_operands())});
  }

  void load() override {
    const detail::device_guard guard{device_};
    for (detail::planned_launch& launch : launches_)
      launch.overlaps = detail::load_kernel(kernel);
  }
  const kernel_launches* kernels() const noexcept override { return this; }

  detail::kernel_launch lower(std::size_t index, std::span<const tensor_view> tensors,
                              const detail::launch_context& context) const override {
    scale_params p = scale_params_of(tensors, first_channel(index), first_channel(index + 1));
    p.inputs_ahead = context.inputs_ahead;
    return {kernel, dim3{static_cast<unsigned>(p.rows)}, dim3{block_threads}, p};
  }
  void enqueue(std::span<const tensor_view> tensors, stream_handle stream) const override {
    const detail::device_guard guard{device_};
    for (std::size_t i = 0; i < launches_.size(); ++i)
      lower(i, tensors, {}).launch(stream);
  }

 private:
  int device_;
};

}  // namespace

std::shared_ptr<detail::planned_step> plan_scale_kernels(std::int64_t sequences,
                                                         std::int64_t channels, int launches,
                                                         int device) {
  return std::make_shared<scale_kernels>(sequences, channels, launches, device);
}

}  // namespace ssugraph::test
