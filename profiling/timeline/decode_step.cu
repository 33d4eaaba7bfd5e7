/**
 * A program to look at with the timeline: one decode step of the SSU layers of nemotron-h-8b, batch
 * 1, fp16 state rounded stochastically, run in two ways. `eager step`: each layer draws its seed by
 * a kernel, as an engine calls torch.randint, and launches its SSU. `replay`: the same layers and
 * seeds as one graph.
 *
 *     decode_step [STEPS [REBINDS]]      # so many of each, 20 by default
 *
 * Prints how long a step of each took, until the device was done: the median, in microseconds. With
 * REBINDS, the lane is then rebound so often, each time beside a lane that comes and goes, and
 * replays STEPS more.
 */
#include "lib/random/philox.hpp"
#include "profiling/quantile.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <nvtx3/nvtx3.hpp>
#include <thrust/device_vector.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using ssugraph::dtype;
using ssugraph::tensor_view;

constexpr int layers = 24;
constexpr int batch = 1;
constexpr int nheads = 128;
constexpr int dim = 64;
constexpr int dstate = 128;
constexpr int ngroups = 8;

void check(cudaError_t code) {
  if (code != cudaSuccess) throw std::runtime_error{cudaGetErrorString(code)};
}

__global__ void seed_kernel(std::uint64_t draw, std::int64_t* seed) {
  *seed = ssugraph::detail::draw_seed(0, draw);
}

/** A layer's tensors. Every float is zero: time here does not depend on them. */
struct layer {
  using halves = thrust::device_vector<std::uint16_t>;

  halves state = halves((batch + 1) * nheads * dim * dstate);
  halves row = halves(batch * (nheads * dim + 2 * ngroups * dstate));
  halves out = halves(batch * nheads * dim);
  thrust::device_vector<float> head = thrust::device_vector<float>(batch * nheads);
  thrust::device_vector<std::int64_t> seed = thrust::device_vector<std::int64_t>(1);

  ssugraph::ssu_args args(const tensor_view& indices) {
    const auto data = [](auto& vector) { return thrust::raw_pointer_cast(vector.data()); };
    constexpr std::int64_t pitch = nheads * dim + 2 * ngroups * dstate;
    ssugraph::ssu_args args;
    args.state = {data(state), dtype::float16, {batch + 1, nheads, dim, dstate}};
    args.x = {data(row), dtype::bfloat16, {batch, nheads, dim}, {pitch, dim, 1}};
    args.B = {
        data(row) + nheads * dim, dtype::bfloat16, {batch, ngroups, dstate}, {pitch, dstate, 1}};
    args.C = args.B.at(data(row) + nheads * dim + ngroups * dstate);
    args.dt = {data(head), dtype::float32, {batch, nheads, dim}, {nheads, 1, 0}};
    args.A = {data(head), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
    args.out = {data(out), dtype::bfloat16, {batch, nheads, dim}};
    args.state_batch_indices = indices;
    return args;
  }
};

template <typename Step>
double median_us(int steps, cudaStream_t stream, const Step& run_step) {
  std::vector<double> times;
  for (int step = 0; step < steps; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    run_step();
    check(cudaStreamSynchronize(stream));
    const auto end = std::chrono::steady_clock::now();
    times.push_back(std::chrono::duration<double, std::micro>{end - begin}.count());
  }
  std::ranges::sort(times);
  return profiling::quantile(times, 0.5);
}

struct destroy_stream {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};

void run(int steps, int rebinds) {
  if (!ssugraph::has_cuda_device()) throw std::runtime_error{"expected a CUDA device, got none"};
  std::vector<layer> model(layers);
  const thrust::device_vector<std::int32_t> slots(batch, 1);
  const tensor_view indices{thrust::raw_pointer_cast(slots.data()), dtype::int32, {batch}};
  cudaStream_t created = nullptr;
  check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking));
  const std::unique_ptr<CUstream_st, destroy_stream> stream{created};

  const ssugraph::mamba_config config{.stochastic_rounding = true};
  ssugraph::pipeline_builder builder{config, ssugraph::bucket_policy{{batch}}};
  std::vector<ssugraph::ssu_args> eager;
  for (int i = 0; i < layers; ++i) {
    builder.ssu("layer " + std::to_string(i), model[i].args(indices));
    eager.push_back(model[i].args(indices));
    eager.back().rand_seed = {thrust::raw_pointer_cast(model[i].seed.data()), dtype::int64, {1}};
  }
  const ssugraph::pipeline pipeline = builder.build();
  ssugraph::lane lane = pipeline.make_lane(stream.get());
  ssugraph::ssu_dispatch dispatch{config};
  check(cudaDeviceSynchronize());

  std::uint64_t draw = 0;
  const double eager_us = median_us(steps, stream.get(), [&] {
    const nvtx3::v1::scoped_range range{"eager step"};
    for (int i = 0; i < layers; ++i) {
      seed_kernel<<<1, 1, 0, stream.get()>>>(draw++, model[i].seed.data().get());
      check(cudaGetLastError());
      dispatch.selective_state_update(eager[i], stream.get());
    }
  });
  const double replay_us =
      median_us(steps, stream.get(), [&] { lane.replay(batch, stream.get()); });
  std::cout << "eager step: " << eager_us << " us, replay: " << replay_us << " us\n";
  if (rebinds == 0) return;
  const std::vector<ssugraph::binding> same{{"layer 0", "x", eager.front().x.data()}};
  for (int i = 0; i < rebinds; ++i) {
    static_cast<void>(lane.rebind(same));
    static_cast<void>(pipeline.make_lane(stream.get()));
  }
  for (int i = 0; i < steps; ++i)
    lane.replay(batch, stream.get());
  check(cudaStreamSynchronize(stream.get()));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int steps = argc > 1 ? std::atoi(argv[1]) : 20;
    const int rebinds = argc > 2 ? std::atoi(argv[2]) : 0;
    if (steps < 1 || rebinds < 0 || argc > 3)
      throw std::runtime_error{"expected numbers of steps, 1 or more, and of rebinds"};
    run(steps, rebinds);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "decode_step: " << error.what() << '\n';
    return 1;
  }
}
