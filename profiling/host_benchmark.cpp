/**
 * What a lane adds to a replay on the host, whatever the target: one layer so small that its
 * arithmetic hardly counts. `replay` less `run_eager` is what counting costs (lane.stats()), for on
 * the host they differ in nothing else. Each once with NVTX as the environment has it; to compare:
 *
 *     host_benchmark; SSUGRAPH_NVTX=0 host_benchmark
 *     NVTX_INJECTION64_PATH=LIBRARY host_benchmark          # with a tool attached
 *
 * Needs no GPU. Run it alone on an idle machine, with --benchmark_repetitions=20 for a spread.
 */
#include "graphs/nvtx.hpp"

#include <ssugraph/ssugraph.hpp>

#include <benchmark/benchmark.h>

#include <array>

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
