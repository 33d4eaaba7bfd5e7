/**
 * What the host pays for a replay and for a lane: 48 small layers, so that the launch and nothing
 * else is measured. The batch stays or changes from replay to replay; the lane has one bucket or
 * 35, as serving engines do. And for one call of one layer: eager, or prepared. Run it alone on an
 * idle machine:
 *
 *     replay_benchmark --benchmark_repetitions=20 --benchmark_report_aggregates_only=true
 */
#include "profiling/quantile.hpp"

#include <ssugraph/ssugraph.hpp>

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>
#include <thrust/device_vector.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using ssugraph::dtype;
using ssugraph::stream_handle;
using ssugraph::tensor_view;

constexpr int layers = 48;
/** Batches are served from the smallest bucket. */
constexpr int smallest_bucket = 8;
constexpr int most_buckets = 35;
constexpr int max_batch = smallest_bucket * most_buckets;
constexpr int nheads = 2;
constexpr int dim = 16;
constexpr int dstate = 16;
/** Replays between two waits, as a serving loop has in flight: none waits for the device. */
constexpr int replays_per_wait = 4;

void check(cudaError_t code) {
  if (code != cudaSuccess) throw std::runtime_error{cudaGetErrorString(code)};
}

/** A layer's tensors; every float is zero, for time here does not depend on them. */
struct layer {
  thrust::device_vector<std::uint16_t> state =
      thrust::device_vector<std::uint16_t>((max_batch + 1) * nheads * dim * dstate);
  thrust::device_vector<std::uint16_t> row =
      thrust::device_vector<std::uint16_t>(max_batch * (nheads * dim + 2 * dstate));
  thrust::device_vector<std::uint16_t> out =
      thrust::device_vector<std::uint16_t>(max_batch * nheads * dim);
  thrust::device_vector<float> head = thrust::device_vector<float>(max_batch * nheads);

  ssugraph::ssu_args args(const tensor_view& indices) {
    const auto data = [](auto& vector) { return thrust::raw_pointer_cast(vector.data()); };
    constexpr std::int64_t pitch = nheads * dim + 2 * dstate;
    ssugraph::ssu_args args;
    args.state = {data(state), dtype::bfloat16, {max_batch + 1, nheads, dim, dstate}};
    args.x = {data(row), dtype::bfloat16, {max_batch, nheads, dim}, {pitch, dim, 1}};
    args.B = {
        data(row) + nheads * dim, dtype::bfloat16, {max_batch, 1, dstate}, {pitch, dstate, 1}};
    args.C = args.B.at(data(row) + nheads * dim + dstate);
    args.dt = {data(head), dtype::float32, {max_batch, nheads, dim}, {nheads, 1, 0}};
    args.A = {data(head), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
    args.out = {data(out), dtype::bfloat16, {max_batch, nheads, dim}};
    args.state_batch_indices = indices;
    return args;
  }
};

/** All layers, with one index tensor. */
struct model {
  std::vector<layer> all = std::vector<layer>(layers);
  thrust::device_vector<std::int32_t> slots = thrust::device_vector<std::int32_t>(max_batch, 1);

  ssugraph::pipeline build(std::int64_t bucket_count) {
    const tensor_view indices{thrust::raw_pointer_cast(slots.data()), dtype::int32, {max_batch}};
    std::vector<std::int32_t> buckets;
    for (std::int32_t i = 1; i <= bucket_count; ++i)
      buckets.push_back(smallest_bucket * i);
    ssugraph::pipeline_builder builder{{.stochastic_rounding = true},
                                       ssugraph::bucket_policy{buckets}};
    for (int i = 0; i < layers; ++i)
      builder.ssu("layer." + std::to_string(i), all[i].args(indices));
    return builder.build();
  }
};

struct destroy_stream {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
using stream_owner = std::unique_ptr<CUstream_st, destroy_stream>;

stream_owner make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream_owner{stream};
}

/** Time of `call(i)`, waits left out. */
template <class Call>
void measure_calls(benchmark::State& state, stream_handle stream, Call call) {
  std::vector<double> samples;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    call(static_cast<int>(samples.size()));
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    state.SetIterationTime(spent.count());
    samples.push_back(spent.count() * 1e6);
    if (samples.size() % replays_per_wait == 0) check(cudaStreamSynchronize(stream));
  }
  check(cudaStreamSynchronize(stream));
  std::sort(samples.begin(), samples.end());
  state.counters["p50_us"] = profiling::quantile(samples, 0.5);
  state.counters["p90_us"] = profiling::quantile(samples, 0.9);
}

/** Of one replay; `batch_of` gives the batch of replay i. */
template <class BatchOf>
void measure(benchmark::State& state, BatchOf batch_of) {
  if (!ssugraph::has_cuda_device()) return state.SkipWithError("no CUDA device");
  model model;
  const stream_owner stream = make_stream();
  ssugraph::lane lane = model.build(state.range(0)).make_lane(stream.get());
  measure_calls(state, stream.get(), [&](int i) { lane.replay(batch_of(i), stream.get()); });
  state.counters["nodes"] = layers + 1;
}

void replay_same_batch(benchmark::State& state) {
  measure(state, [](int) { return smallest_bucket; });
}

void replay_changed_batch(benchmark::State& state) {
  measure(state, [](int i) { return 1 + i % smallest_bucket; });
}

/** One layer's call; launched programmatically if the argument is 1. */
struct single_call {
  explicit single_call(const benchmark::State& state)
      : dispatch{{}, 0, {.checked = false, .programmatic_dependent_launch = state.range(0) == 1}} {}

  thrust::device_vector<std::int32_t> slots = thrust::device_vector<std::int32_t>(max_batch, 1);
  layer tensors;
  ssugraph::ssu_dispatch dispatch;
  ssugraph::ssu_args args =
      tensors.args({thrust::raw_pointer_cast(slots.data()), dtype::int32, {max_batch}});
  stream_owner stream = make_stream();
};

void eager_call(benchmark::State& state) {
  if (!ssugraph::has_cuda_device()) return state.SkipWithError("no CUDA device");
  single_call one{state};
  measure_calls(state, one.stream.get(),
                [&](int) { one.dispatch.selective_state_update(one.args, one.stream.get()); });
}

void prepared_call(benchmark::State& state) {
  if (!ssugraph::has_cuda_device()) return state.SkipWithError("no CUDA device");
  single_call one{state};
  const ssugraph::ssu_call call = one.dispatch.prepare(one.args);
  const ssugraph::ssu_addresses addresses = call.addresses();
  measure_calls(state, one.stream.get(),
                [&](int i) { call.launch(addresses, 1 + i % smallest_bucket, one.stream.get()); });
}

/** As many bytes as the arguments of an SSU. */
struct arguments {
  std::byte bytes[768];
};

__global__ void nothing(const __grid_constant__ arguments) {}

/** What any launch takes. */
void bare_launch(benchmark::State& state) {
  if (!ssugraph::has_cuda_device()) return state.SkipWithError("no CUDA device");
  const stream_owner stream = make_stream();
  measure_calls(state, stream.get(), [&](int) {
    nothing<<<128, 128, 0, stream.get()>>>(arguments{});
    check(cudaGetLastError());
  });
}

/** A lane of all buckets: kernels are loaded, nothing is tuned. */
void make_lane(benchmark::State& state) {
  if (!ssugraph::has_cuda_device()) return state.SkipWithError("no CUDA device");
  model model;
  const ssugraph::pipeline pipeline = model.build(state.range(0));
  const stream_owner stream = make_stream();
  const std::size_t own_bytes = pipeline.make_lane(stream.get()).stats().own_bytes;
  for (auto _ : state)
    benchmark::DoNotOptimize(pipeline.make_lane(stream.get()));
  state.counters["own_MiB"] = static_cast<double>(own_bytes) / (1 << 20);
  state.counters["lane_MiB"] = static_cast<double>(pipeline.lane_bytes()) / (1 << 20);
}

constexpr int replays = 8000;
BENCHMARK(replay_same_batch)
    ->Arg(1)
    ->Arg(most_buckets)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(replays);
BENCHMARK(replay_changed_batch)
    ->Arg(1)
    ->Arg(most_buckets)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(replays);
BENCHMARK(eager_call)
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(replays);
BENCHMARK(prepared_call)
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(replays);
BENCHMARK(bare_launch)->UseManualTime()->Unit(benchmark::kMicrosecond)->Iterations(replays);
BENCHMARK(make_lane)->Arg(1)->Arg(most_buckets)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
