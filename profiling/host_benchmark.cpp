/**
 * What a lane adds to a replay on the host, whatever the target: one layer so small that its
 * arithmetic hardly counts. Each once with NVTX as the environment has it; to compare:
 *
 *     host_benchmark; SSUGRAPH_NVTX=0 host_benchmark
 *     NVTX_INJECTION64_PATH=LIBRARY host_benchmark          # with a tool attached
 *
 * Needs no GPU. Run it alone on an idle machine, with --benchmark_repetitions=20 for a spread.
 */
#include "graphs/core/nvtx.hpp"
#include "profiling/quantile.hpp"

#include <ssugraph/ssugraph.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

namespace {

using ssugraph::dtype;

constexpr std::int32_t batch = 1;

struct small_model {
  std::array<float, 1> state{}, x{}, dt{}, A{}, B{}, C{}, out{};

  ssugraph::lane make_lane() {
    const auto tensor = [](auto& data, auto... extents) {
      return ssugraph::tensor_view{data.data(), dtype::float32, {extents...}};
    };
    ssugraph::ssu_args args;
    args.state = tensor(state, 1, 1, 1, 1);
    args.x = tensor(x, 1, 1, 1);
    args.dt = tensor(dt, 1, 1, 1);
    args.A = tensor(A, 1, 1, 1);
    args.B = tensor(B, 1, 1, 1);
    args.C = tensor(C, 1, 1, 1);
    args.out = tensor(out, 1, 1, 1);
    return ssugraph::pipeline_builder{{}, ssugraph::bucket_policy{{batch}}, ssugraph::target::host}
        .ssu("layer", args)
        .build()
        .make_lane(nullptr);
  }
};

void replay(benchmark::State& state) {
  small_model model;
  ssugraph::lane lane = model.make_lane();
  for (auto _ : state)
    lane.replay(batch, nullptr);
}
BENCHMARK(replay);

void run_eager(benchmark::State& state) {
  small_model model;
  ssugraph::lane lane = model.make_lane();
  for (auto _ : state)
    lane.run_eager(batch, nullptr);
}
BENCHMARK(run_eager);

/**
 * What counting (lane.stats()) costs a replay: `counting_ns`, what it takes longer than an eager
 * run, for on the host they differ in that alone and in one call more of the latter. A thousand of
 * each in turns, so that both meet the same machine; the median of the differences.
 */
void counting(benchmark::State& state) {
  small_model model;
  ssugraph::lane lane = model.make_lane();
  const auto ns_a_call = [](const auto& call) {
    constexpr int calls = 1000;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i)
      call();
    return std::chrono::duration<double, std::nano>{std::chrono::steady_clock::now() - begin} /
           std::chrono::nanoseconds{calls};
  };
  std::vector<double> longer;
  for (auto _ : state) {
    const double eager = ns_a_call([&] { lane.run_eager(batch, nullptr); });
    longer.push_back(ns_a_call([&] { lane.replay(batch, nullptr); }) - eager);
  }
  std::ranges::sort(longer);
  state.counters["counting_ns"] = profiling::quantile(longer, 0.5);
}
BENCHMARK(counting);

/** The range of a replay alone. */
void nvtx_range(benchmark::State& state) {
  const ssugraph::detail::nvtx_name name{"replay"};
  for (auto _ : state) {
    const ssugraph::detail::nvtx_range range{ssugraph::detail::nvtx_category::replay, name, batch};
    benchmark::ClobberMemory();
  }
}
BENCHMARK(nvtx_range);

/** Reading the counters, which a monitoring thread does now and then. */
void stats(benchmark::State& state) {
  small_model model;
  ssugraph::lane lane = model.make_lane();
  for (auto _ : state)
    benchmark::DoNotOptimize(lane.stats());
}
BENCHMARK(stats);

}  // namespace

BENCHMARK_MAIN();
