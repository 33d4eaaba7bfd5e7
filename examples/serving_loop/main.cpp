/**
 * Continuous batching over a trace of requests: the SSU layers of a whole model, one CUDA graph
 * replay a step. Read loop.cpp first: it is the serving loop. The rest is what it stands on:
 *
 *   trace      requests from a file or a Poisson process
 *   scheduler  who runs in a step, on virtual time
 *   models     sizes of known models
 *   workload   tensors of all layers; indices, resets and inputs of a step
 *   machine    memory, stream and clock of a CUDA device or the host
 *   checker    some requests, followed, and computed again (recomputation) by the reference
 *   report     what happened
 */
#include "../state_dtype.hpp"
#include "loop.hpp"
#include "models.hpp"
#include "report.hpp"
#include "trace.hpp"

#include <ssugraph/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace {

using ssugraph::invalid_argument;

/** The command line. */
struct arguments {
  std::string trace;
  std::string model;
  std::string state_dtype;
  std::string target = "cuda";
  std::string backend;
  std::string json;
  std::int64_t tp = 1;
  std::int32_t max_batch = 256;
  std::int32_t speculative = 0;
  std::int32_t checkpoint = 0;
  std::size_t check = 2;
  bool stochastic_rounding = false;
  double step_time_ms = 30;
  double speedup = 10;
  std::uint64_t seed = 0;
};

void add_options(CLI::App& app, arguments& args) {
  app.option_defaults()->always_capture_default();
  app.add_option(
      "--trace", args.trace,
      "CSV file of TIMESTAMP,ContextTokens,GeneratedTokens (default: a Poisson process)");
  app.add_option("--step-time", args.step_time_ms, "Virtual milliseconds that a step takes");
  app.add_option("--speedup", args.speedup, "Arrivals come so many times faster than in the trace");
  app.add_option("--max-batch", args.max_batch, "Most requests that run; others queue");
  app.add_option("--model", args.model,
                 "One of " + serving_loop::model_names() +
                     " (default: nemotron-h-8b; with --target host: tiny)");
  app.add_option("--tp", args.tp, "Ranks that share the heads and groups; this is one of them");
  app.add_option("--state-dtype", args.state_dtype,
                 std::string{state_dtype::names} + " (default: the model's)");
  app.add_option("--speculative", args.speculative,
                 "Speculative decoding with so many drafted tokens a step (0: plain decoding)");
  app.add_option(
      "--checkpoint", args.checkpoint,
      "Store the state every so many tokens, the inputs since lie in rings; a request has "
      "one slot, with --speculative, too (0: every step stores it)");
  app.add_flag("--stochastic-rounding", args.stochastic_rounding,
               "Store the state with stochastic rounding; not fp32");
  app.add_option(
      "--backend", args.backend,
      "native, triton, flashinfer or automatic, which measures the others first (default: "
      "native; with --target host: reference)");
  app.add_option("--target", args.target, "cuda or host");
  app.add_option("--seed", args.seed, "Of the Poisson trace, the rounding and the checked sample");
  app.add_option("--check", args.check, "Requests that the reference computes again");
  app.add_option("--json", args.json, "Write the report to this file, too");
}

/** Throws invalid_argument unless `least <= value <= most`, so for NaN. */
template <class Number>
void require_range(std::string_view option, Number value, Number least, Number most) {
  if (!(least <= value && value <= most)) {
    throw invalid_argument{std::string{option}, fmt::format("{} .. {}", least, most),
                           fmt::format("{}", value)};
  }
}

ssugraph::target parse_target(const std::string& name) {
  if (name == "cuda") return ssugraph::target::cuda;
  if (name == "host") return ssugraph::target::host;
  throw invalid_argument{"--target", "cuda or host", name};
}

/** On CUDA any name: the library knows which are valid. */
std::string parse_backend(const std::string& name, bool on_host) {
  if (!on_host) return name.empty() ? "native" : name;
  if (!name.empty() && name != "reference") {
    throw invalid_argument{"--backend", "reference, the one that runs with --target host", name};
  }
  return "reference";
}

/** Throws invalid_argument unless `model` can be checkpointed every --checkpoint tokens. */
void check_rings(const arguments& args, std::int32_t tokens, const serving_loop::model& model) {
  if (args.checkpoint == 0) return;
  require_range("--speculative", args.speculative, 0, 16);
  require_range("--checkpoint", args.checkpoint, tokens, 64);
  if (!model.mamba1) return;
  throw invalid_argument{"--checkpoint", fmt::format("0 with {}, a Mamba-1 model", model.name),
                         std::to_string(args.checkpoint)};
}

serving_loop::serving_options to_options(const arguments& args) {
  require_range("--max-batch", args.max_batch, 1, 1 << 16);
  require_range("--speculative", args.speculative, 0, 64);
  require_range("--step-time", args.step_time_ms, 1e-3, 1e6);
  require_range("--speedup", args.speedup, 1e-6, 1e6);

  const ssugraph::target where = parse_target(args.target);
  const bool on_host = where == ssugraph::target::host;
  const std::string_view standard = on_host ? "tiny" : "nemotron-h-8b";
  serving_loop::model model =
      serving_loop::find_model(args.model.empty() ? standard : args.model, args.tp);
  if (!args.state_dtype.empty()) model.state_dtype = state_dtype::parse(args.state_dtype);

  const std::int32_t tokens = std::max(args.speculative, 1);
  check_rings(args, tokens, model);
  const serving_loop::served_shape shape{.model = model,
                                         .max_batch = args.max_batch,
                                         .tokens = tokens,
                                         .speculative = args.speculative > 0,
                                         .checkpoint = args.checkpoint};
  return {.shape = shape,
          .schedule = {.max_batch = args.max_batch,
                       .tokens = tokens,
                       .slots = shape.slots_a_sequence(),
                       .step_time = serving_loop::seconds{args.step_time_ms * 1e-3},
                       .speedup = args.speedup},
          .config = {.backend = parse_backend(args.backend, on_host),
                     .stochastic_rounding = args.stochastic_rounding},
          .where = where,
          .seed = args.seed,
          .followed_requests = args.check};
}

void run(const arguments& args) {
  const serving_loop::serving_options options = to_options(args);
  const serving_loop::trace requests = args.trace.empty()
                                           ? serving_loop::make_poisson_trace(args.seed)
                                           : serving_loop::read_trace(args.trace);
  std::optional<serving_loop::json_file> json;
  if (!args.json.empty()) json.emplace(args.json);

  const serving_loop::serving_result result = serving_loop::serve(requests, options);
  fmt::print("{}", serving_loop::to_text(requests, options, result));
  if (json) json->write(serving_loop::to_json(requests, options, result));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Serves a trace of requests: one graph replay a decode step."};
  arguments args;
  add_options(app, args);
  try {
    app.parse(argc, argv);
    run(args);
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "serving_loop: {}\n", error.what());
    return 1;
  }
}
