/**
 * The decode step of a stack of Mamba-2 layers, GEMMs and all, as one CUDA graph a batch bucket.
 * Read block.cpp first: it is what a user would copy. The rest is what it stands on:
 *
 *   models   sizes of known models
 *   memory   weights, activations, states
 *   rings    what lies beside checkpointed states
 *   kernels  embedding, RMS norm, convolution
 *   gemm     cuBLASLt, chosen once
 *   oracle   a layer on the CPU
 *   written  what steps write, bit for bit
 *   checks   replay against run_eager, and against the oracle
 *   report   what was measured
 */
#include "../state_dtype.hpp"
#include "block.hpp"
#include "checks.hpp"
#include "report.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <fstream>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using decode_block::check;
using decode_block::unique_event;
using ssugraph::invalid_argument;

/** The command line. */
struct arguments {
  std::string model = "nemotron-h-8b";
  std::optional<std::int32_t> layers;
  std::string state_dtype = "bf16";
  std::vector<std::int32_t> batches{1, 8, 64, 256};
  ssugraph::mamba_config config;
  std::int32_t checkpoint = 0;
  std::int32_t check = 2;
  int rounds = 50;
  std::string json;
};

void add_options(CLI::App& app, arguments& args) {
  app.option_defaults()->always_capture_default();
  app.add_option("--model", args.model, "One of " + decode_block::model_names());
  app.add_option("--layers", args.layers, "Layers of the stack (default: the model's)");
  app.add_option("--batch", args.batches, "Batches to measure; each gets a graph")->delimiter(',');
  app.add_option("--backend", args.config.backend,
                 "Of the SSU: native, triton, flashinfer or automatic");
  app.add_option("--state-dtype", args.state_dtype, state_dtype::names);
  app.add_flag("--stochastic-rounding", args.config.stochastic_rounding,
               "Store the state with stochastic rounding; not fp32");
  app.add_option(
      "--checkpoint", args.checkpoint,
      "Store the state every so many tokens, the inputs since lie in rings (0: each step)");
  app.add_option("--check", args.check, "Sequences that the CPU computes again (0: check nothing)");
  app.add_option("--rounds", args.rounds, "Steps measured of each kind and batch");
  app.add_option("--json", args.json, "Write the report to this file, too");
}

/** Throws invalid_argument unless `least <= value <= most`. */
void require_range(std::string_view option, std::int64_t value, std::int64_t least,
                   std::int64_t most) {
  if (least <= value && value <= most) return;
  throw invalid_argument{std::string{option}, fmt::format("{} .. {}", least, most),
                         std::to_string(value)};
}

decode_block::model model_of(const arguments& args) {
  decode_block::model model = decode_block::find_model(args.model);
  model.layers = args.layers.value_or(model.layers);
  model.state_dtype = state_dtype::parse(args.state_dtype);
  model.checkpoint = args.checkpoint;
  require_range("--layers", model.layers, 1, 1024);
  require_range("--checkpoint", model.checkpoint, 0, 64);
  return model;
}

ssugraph::bucket_policy buckets_of(const arguments& args) {
  for (const std::int32_t batch : args.batches)
    require_range("--batch", batch, 1, 4096);
  return ssugraph::bucket_policy{args.batches};
}

std::string device_name() {
  int device = 0;
  cudaDeviceProp properties{};
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return properties.name;
}

/** Takes the time of steps, each on an idle stream. */
class step_clock {
 public:
  explicit step_clock(cudaStream_t stream) : stream_{stream} {}

  /** Microseconds. */
  template <class Step>
  [[nodiscard]] double time(Step step) const {
    check(cudaEventRecord(begin_.get(), stream_), "cudaEventRecord");
    step();
    check(cudaEventRecord(end_.get(), stream_), "cudaEventRecord");
    check(cudaEventSynchronize(end_.get()), "cudaEventSynchronize");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()), "cudaEventElapsedTime");
    return 1e3 * double{milliseconds};
  }

 private:
  cudaStream_t stream_;
  unique_event begin_ = decode_block::make_event();
  unique_event end_ = decode_block::make_event();
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/** The four kinds take turns, so that none has the better part of the run. */
decode_block::step_times measure(ssugraph::lane& overlapped, ssugraph::lane& plain,
                                 std::int32_t batch, int rounds, cudaStream_t stream) {
  constexpr int warm_up_rounds = 5;
  const step_clock clock{stream};
  std::array<std::vector<double>, 4> times;
  for (int round = -warm_up_rounds; round < rounds; ++round) {
    const std::array taken{clock.time([&] { overlapped.replay(batch, stream); }),
                           clock.time([&] { plain.replay(batch, stream); }),
                           clock.time([&] { overlapped.run_eager(batch, stream); }),
                           clock.time([&] { plain.run_eager(batch, stream); })};
    for (std::size_t kind = 0; round >= 0 && kind < taken.size(); ++kind)
      times[kind].push_back(taken[kind]);
  }
  return {batch, median(times[0]), median(times[1]), median(times[2]), median(times[3])};
}

decode_block::check_result larger(const decode_block::check_result& a,
                                  const decode_block::check_result& b) {
  return {a.steps + b.steps, std::max(a.sequences, b.sequences),
          std::max(a.worst_element, b.worst_element), std::max(a.worst_rms, b.worst_rms)};
}

/** Every sequence in a slot of its own. */
void fill_inputs(const decode_block::model& model, const decode_block::decode_memory& memory,
                 cudaStream_t stream) {
  if (model.checkpoint > 0) spread_cursors(model, memory, stream);
  std::vector<std::int32_t> numbers(memory.max_batch);
  std::iota(numbers.begin(), numbers.end(), 1);
  decode_block::upload(memory.slot_of, numbers, stream);
  for (std::int32_t& number : numbers)
    number %= decode_block::vocabulary;
  decode_block::upload(memory.tokens, numbers, stream);
}

decode_block::decoder_report run(const arguments& args, const decode_block::model& model,
                                 const ssugraph::bucket_policy& buckets) {
  const decode_block::unique_stream owned_stream = decode_block::make_stream();
  const cudaStream_t stream = owned_stream.get();
  const decode_block::model_weights weights{model, stream};
  const decode_block::projections products{model, buckets.buckets()};
  const decode_block::decode_memory memory{model, buckets.max_batch(), stream};

  const auto build = [&](bool overlap) {
    return build_decoder(weights, products, memory, args.config, buckets, overlap);
  };
  const ssugraph::pipeline pipeline = build(true);
  ssugraph::lane overlapped = pipeline.make_lane(stream);
  ssugraph::lane plain = build(false).make_lane(stream);

  decode_block::decoder_report report{
      .model = model,
      .config = args.config,
      .machine = device_name(),
      .plan = to_string(
          pipeline.plan(pipeline.step_index("layer 0 ssu"), buckets.buckets().size() - 1)),
      .nodes = overlapped.stats().buckets.back().nodes,
      .rounds = args.rounds,
      .check = {},
      .times = {}};
  for (ssugraph::lane* lane : {&overlapped, &plain}) {
    if (args.check == 0) break;
    report.check = larger(
        report.check, check_decoder(*lane, weights, memory, buckets.buckets(), args.check, stream));
  }
  fill_inputs(model, memory, stream);
  for (const std::int32_t batch : buckets.buckets())
    report.times.push_back(measure(overlapped, plain, batch, args.rounds, stream));
  return report;
}

void run(const arguments& args) {
  const decode_block::model model = model_of(args);
  const ssugraph::bucket_policy buckets = buckets_of(args);
  require_range("--check", args.check, 0, 4096);
  require_range("--rounds", args.rounds, 1, 1'000'000);
  std::ofstream json;
  if (!args.json.empty()) json.open(args.json);
  if (!json) throw invalid_argument{"--json", "a file that can be written", args.json};
  // Refuses a backend that does not exist, whatever the machine.
  static_cast<void>(ssugraph::ssu_dispatch{args.config});
  if (!ssugraph::has_cuda_device()) throw invalid_argument{"device", "a CUDA device", "none"};

  const decode_block::decoder_report report = run(args, model, buckets);
  fmt::print("{}", to_text(report));
  if (json.is_open() && !(json << to_json(report) << std::flush))
    throw std::runtime_error{"--json: writing " + args.json + " failed"};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Decodes by a stack of Mamba-2 layers: one graph replay a step."};
  arguments args;
  add_options(app, args);
  try {
    app.parse(argc, argv);
    run(args);
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "decode_block: {}\n", error.what());
    return 1;
  }
}
