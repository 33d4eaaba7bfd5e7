/**
 * Backends side by side: the SSU layers of a model's shape as one graph a batch bucket, replayed in
 * turns in one run. Slots change from replay to replay, so that the state comes from memory and not
 * from the L2 cache; all data is random. Figures are microseconds a layer, the median over rounds,
 * and the share of the limit: bytes that must move over the rate of a device-to-device copy.
 *
 *     bench --shape 128x64x128g8 --state bf16 --batch 1,8,64 --backend native,triton,automatic
 *
 * A backend may name its algorithm, as in triton:16x4. One that does not serve prints a dash.
 */
#include "lib/ssu/traffic.hpp"
#include "profiling/bench_data.hpp"

#include <ssugraph/ssugraph.hpp>

#include <CLI/CLI.hpp>
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using ssugraph::dtype;
using ssugraph::tensor_view;

struct options {
  std::vector<std::string> shapes{"128x64x128g8"};
  std::string state = "bf16";
  std::vector<std::int32_t> batches{1, 2, 4, 8, 16, 32, 64, 128, 256};
  std::vector<std::string> backends{"native", "triton", "flashinfer", "automatic"};
  int philox_rounds = 0;
  int layers = 16;
  int rounds = 15;
  std::string json;
};

struct shape {
  std::int64_t nheads;
  std::int64_t dim;
  std::int64_t dstate;
  std::int64_t ngroups;
};

void check(cudaError_t code, const char* call) {
  if (code != cudaSuccess)
    throw std::runtime_error{std::string{call} + ": " + cudaGetErrorString(code)};
}

shape parse_shape(const std::string& text) {
  shape parsed{};
  char rest = 0;
  if (std::sscanf(text.c_str(), "%" SCNd64 "x%" SCNd64 "x%" SCNd64 "g%" SCNd64 "%c", &parsed.nheads,
                  &parsed.dim, &parsed.dstate, &parsed.ngroups, &rest) == 4) {
    return parsed;
  }
  throw ssugraph::invalid_argument{"--shape", "NHEADSxDIMxDSTATEgNGROUPS", text};
}

dtype parse_dtype(const std::string& text) {
  if (text == "fp32") return dtype::float32;
  if (text == "fp16") return dtype::float16;
  if (text == "bf16") return dtype::bfloat16;
  throw ssugraph::invalid_argument{"--state", "fp32, fp16 or bf16", text};
}

struct device_free {
  void operator()(void* memory) const { cudaFree(memory); }
};
using device_memory = std::unique_ptr<void, device_free>;

device_memory allocate(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes), "cudaMalloc");
  return device_memory{memory};
}

/** Device memory of random floats. */
class random_tensor {
 public:
  random_tensor(dtype type, std::int64_t count, float scale, float shift = 0.0f)
      : element_size_{static_cast<std::size_t>(ssugraph::size_of(type))},
        memory_{allocate(static_cast<std::size_t>(count) * element_size_)} {
    static std::uint64_t salt = 0;
    bench::fill_random(type, memory_.get(), static_cast<std::size_t>(count),
                       {.salt = ++salt, .scale = scale, .shift = shift});
  }

  [[nodiscard]] const void* at(std::int64_t element) const {
    return static_cast<const std::byte*>(memory_.get()) +
           static_cast<std::size_t>(element) * element_size_;
  }

 private:
  std::size_t element_size_;
  device_memory memory_;
};

/** The tensors of one layer, as a model has them: x, B and C are slices of one row. */
class layer {
 public:
  layer(const shape& s, dtype state, std::int64_t rows, std::int64_t slots)
      : shape_{s},
        state_type_{state},
        rows_{rows},
        slots_{slots},
        state_{state, slots * s.nheads * s.dim * s.dstate, 1.0f},
        row_{dtype::bfloat16, rows * width(), 1.0f},
        dt_{dtype::bfloat16, rows * s.nheads, 1.0f},
        out_{dtype::bfloat16, rows * s.nheads * s.dim, 1.0f},
        A_{dtype::float32, s.nheads, 7.5f, -8.5f},
        D_{dtype::bfloat16, s.nheads, 1.0f},
        dt_bias_{dtype::bfloat16, s.nheads, 2.0f, -4.0f} {}

  [[nodiscard]] ssugraph::ssu_args args(const tensor_view& indices) const {
    const auto& [nheads, dim, dstate, ngroups] = shape_;
    const std::int64_t x_width = nheads * dim;
    const std::int64_t B_width = ngroups * dstate;
    ssugraph::ssu_args args;
    args.state = {state_.at(0), state_type_, {slots_, nheads, dim, dstate}};
    args.x = {row_.at(0), dtype::bfloat16, {rows_, nheads, dim}, {width(), dim, 1}};
    args.B = {row_.at(x_width), dtype::bfloat16, {rows_, ngroups, dstate}, {width(), dstate, 1}};
    args.C = args.B.at(row_.at(x_width + B_width));
    args.dt = {dt_.at(0), dtype::bfloat16, {rows_, nheads, dim}, {nheads, 1, 0}};
    args.A = {A_.at(0), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
    args.D = {D_.at(0), dtype::bfloat16, {nheads, dim}, {1, 0}};
    args.dt_bias = {dt_bias_.at(0), dtype::bfloat16, {nheads, dim}, {1, 0}};
    args.out = {out_.at(0), dtype::bfloat16, {rows_, nheads, dim}};
    args.state_batch_indices = indices;
    args.dt_softplus = true;
    return args;
  }

 private:
  [[nodiscard]] std::int64_t width() const {
    return shape_.nheads * shape_.dim + 2 * shape_.ngroups * shape_.dstate;
  }

  shape shape_;
  dtype state_type_;
  std::int64_t rows_;
  std::int64_t slots_;
  random_tensor state_, row_, dt_, out_, A_, D_, dt_bias_;
};

/** Times on one stream. */
class stopwatch {
 public:
  stopwatch() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaEventCreate(&begin_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  stopwatch(const stopwatch&) = delete;
  stopwatch& operator=(const stopwatch&) = delete;
  ~stopwatch() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
    cudaStreamDestroy(stream_);
  }

  [[nodiscard]] cudaStream_t stream() const { return stream_; }

  /** Microseconds that what `enqueue` puts on the stream takes. */
  template <class Enqueue>
  double time(Enqueue enqueue) {
    check(cudaEventRecord(begin_, stream_), "cudaEventRecord");
    enqueue();
    check(cudaEventRecord(end_, stream_), "cudaEventRecord");
    check(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/** Bytes a microsecond, read and written, of a copy that no cache holds. */
double copy_rate(stopwatch& watch) {
  constexpr std::size_t bytes = 1 << 30;
  const device_memory from = allocate(bytes);
  const device_memory to = allocate(bytes);
  std::vector<double> times;
  for (int round = 0; round < 9; ++round) {
    times.push_back(watch.time([&] {
      check(cudaMemcpyAsync(to.get(), from.get(), bytes, cudaMemcpyDeviceToDevice, watch.stream()),
            "cudaMemcpyAsync");
    }));
  }
  return 2.0 * bytes / median(times);
}

/** Disjoint sets of slots, taken in turns. Slot 0 is the null block. */
class slot_sets {
 public:
  slot_sets(std::int64_t slots, std::int32_t max_batch)
      : live_slots_{slots - 1},
        max_batch_{max_batch},
        order_{allocate(sizeof(std::int32_t) * static_cast<std::size_t>(slots - 1))},
        bound_{allocate(sizeof(std::int32_t) * static_cast<std::size_t>(max_batch))} {
    std::vector<std::int32_t> numbers(static_cast<std::size_t>(live_slots_));
    std::iota(numbers.begin(), numbers.end(), 1);
    check(cudaMemcpy(order_.get(), numbers.data(), sizeof(std::int32_t) * numbers.size(),
                     cudaMemcpyHostToDevice),
          "cudaMemcpy of the slots");
  }

  [[nodiscard]] tensor_view indices() const { return {bound_.get(), dtype::int32, {max_batch_}}; }

  void next(std::int32_t batch, cudaStream_t stream) {
    if (first_ + batch > live_slots_) first_ = 0;
    check(cudaMemcpyAsync(bound_.get(), static_cast<const std::int32_t*>(order_.get()) + first_,
                          sizeof(std::int32_t) * static_cast<std::size_t>(batch),
                          cudaMemcpyDeviceToDevice, stream),
          "cudaMemcpyAsync of the slots");
    first_ += batch;
  }

 private:
  std::int64_t live_slots_;
  std::int64_t max_batch_;
  std::int64_t first_ = 0;
  device_memory order_;
  device_memory bound_;
};

/** One backend's pipeline; none if it does not serve. */
struct contender {
  std::string name;
  std::optional<ssugraph::pipeline> pipeline;
  std::optional<ssugraph::lane> lane;
  std::vector<double> times;
};

contender make_contender(const std::string& name, const options& opts,
                         const std::vector<layer>& layers, const tensor_view& indices,
                         cudaStream_t stream) {
  const std::size_t colon = name.find(':');
  ssugraph::mamba_config config{.backend = name.substr(0, colon),
                                .stochastic_rounding = opts.philox_rounds > 0,
                                .philox_rounds = opts.philox_rounds};
  if (colon != std::string::npos) config.algorithm = name.substr(colon + 1);
  contender made{name, {}, {}, {}};
  try {
    ssugraph::pipeline_builder builder{config, ssugraph::bucket_policy{opts.batches}};
    for (std::size_t i = 0; i < layers.size(); ++i)
      builder.ssu("layer " + std::to_string(i), layers[i].args(indices));
    made.pipeline = builder.build();
    made.lane = made.pipeline->make_lane(stream);
  } catch (const ssugraph::unsupported& error) {
    fmt::print(stderr, "{}: {}\n", name, error.refusals().front().reason);
  }
  return made;
}

void measure(std::vector<contender>& contenders, std::int32_t batch, int rounds, slot_sets& slots,
             stopwatch& watch) {
  for (contender& each : contenders)
    each.times.clear();
  // In turns, so that a change of clocks meets every contender. The first two rounds warm up.
  for (int round = -2; round < rounds; ++round) {
    for (contender& each : contenders) {
      if (!each.lane) continue;
      slots.next(batch, watch.stream());
      const double us = watch.time([&] { each.lane->replay(batch, watch.stream()); });
      if (round >= 0) each.times.push_back(us);
    }
  }
}

void print_header(const options& opts) {
  fmt::print("{:>6} {:>9}", "batch", "limit us");
  for (const std::string& name : opts.backends)
    fmt::print(" {:>18}", name);
  fmt::print("\n");
}

nlohmann::json run_shape(const std::string& text, const options& opts, double rate,
                         stopwatch& watch) {
  const shape s = parse_shape(text);
  const std::int32_t max_batch = *std::ranges::max_element(opts.batches);
  const std::int64_t slots = 1 + std::max(2 * max_batch, 64);
  slot_sets sets{slots, max_batch};
  std::vector<layer> layers;
  for (int i = 0; i < opts.layers; ++i)
    layers.emplace_back(s, parse_dtype(opts.state), max_batch, slots);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize of the data");
  std::vector<contender> contenders;
  for (const std::string& name : opts.backends)
    contenders.push_back(make_contender(name, opts, layers, sets.indices(), watch.stream()));

  fmt::print("\n{} state {}{}\n", text, opts.state,
             opts.philox_rounds > 0 ? fmt::format(", Philox-{}", opts.philox_rounds) : "");
  print_header(opts);
  nlohmann::json rows = nlohmann::json::array();
  const auto served = std::ranges::find_if(
      contenders, [](const contender& each) { return each.pipeline.has_value(); });
  if (served == contenders.end()) return rows;
  for (std::size_t bucket = 0; bucket < opts.batches.size(); ++bucket) {
    const std::int32_t batch = opts.batches[bucket];
    const auto place = static_cast<std::size_t>(served->pipeline->buckets().index_for(batch));
    measure(contenders, batch, opts.rounds, sets, watch);
    const double limit =
        double(ssugraph::detail::ssu_traffic(served->pipeline->plan(0, place).problem, batch)) /
        rate;
    fmt::print("{:>6} {:>9.2f}", batch, limit);
    for (const contender& each : contenders) {
      if (!each.lane) {
        fmt::print(" {:>18}", "-");
        continue;
      }
      const double us = median(each.times) / opts.layers;
      const ssugraph::ssu_plan& plan = each.pipeline->plan(0, place);
      fmt::print(" {:>10.2f} {:>6.1f}%", us, 100 * limit / us);
      rows.push_back({{"shape", text},
                      {"state", opts.state},
                      {"philox_rounds", opts.philox_rounds},
                      {"batch", batch},
                      {"backend", each.name},
                      {"plan", plan.backend + ":" + plan.algorithm},
                      {"us", us},
                      {"fastest_us", *std::ranges::min_element(each.times) / opts.layers},
                      {"limit_us", limit}});
    }
    for (const contender& each : contenders) {
      if (each.name != "automatic" || !each.pipeline) continue;
      const ssugraph::ssu_plan& plan = each.pipeline->plan(0, place);
      fmt::print("  automatic: {}:{}", plan.backend, plan.algorithm);
    }
    fmt::print("\n");
  }
  return rows;
}

void run(const options& opts) {
  stopwatch watch;
  cudaDeviceProp device{};
  check(cudaGetDeviceProperties(&device, 0), "cudaGetDeviceProperties");
  const double rate = copy_rate(watch);
  fmt::print("{}, copy {:.2f} TB/s, {} layers, median of {}\n", device.name, rate * 1e-6,
             opts.layers, opts.rounds);
  nlohmann::json report{{"device", device.name},
                        {"copy_bytes_a_us", rate},
                        {"layers", opts.layers},
                        {"rounds", opts.rounds},
                        {"rows", nlohmann::json::array()}};
  for (const std::string& text : opts.shapes) {
    for (nlohmann::json& row : run_shape(text, opts, rate, watch))
      report["rows"].push_back(std::move(row));
  }
  if (!opts.json.empty()) std::ofstream{opts.json} << report.dump(1) << '\n';
}

}  // namespace

int main(int count, char** values) {
  options opts;
  CLI::App app{"Backends of ssugraph side by side"};
  app.option_defaults()->always_capture_default()->delimiter(',');
  app.add_option("--shape", opts.shapes, "NHEADSxDIMxDSTATEgNGROUPS, several by commas");
  app.add_option("--state", opts.state, "fp32, fp16 or bf16");
  app.add_option("--batch", opts.batches, "Batches, each a bucket");
  app.add_option("--backend", opts.backends, "Backends, each NAME or NAME:ALGORITHM");
  app.add_option("--philox-rounds", opts.philox_rounds, "Stochastic rounding by so many; 0: none");
  app.add_option("--layers", opts.layers, "Layers of the graph");
  app.add_option("--rounds", opts.rounds, "Replays of each backend and batch");
  app.add_option("--json", opts.json, "Write the figures to this file, too");
  CLI11_PARSE(app, count, values);
  try {
    run(opts);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
