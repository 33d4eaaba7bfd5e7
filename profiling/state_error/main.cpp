/**
 * Which format of the state loses what: one sequence is decoded by the library, token after token,
 * with its state kept in each format, and `out` is held against the recurrence in float64.
 *
 *     state_error --json profiling/baselines/state_error.json
 *
 * The figure is the root mean square of the error over that of `out`, over the second half of the
 * tokens, when what was lost has added up. Three heads: one whose decay is slow (A = -1, dt from
 * 0.001 to 0.01: it remembers some 250 tokens), one whose decay is usual (A = -4, dt to 0.1), and
 * one with slow decay that falls silent: its x is zero in the second half. x, dt, A, B, C and out
 * are fp32, so that all that is lost is lost in the state.
 *
 * Stored every W tokens: calls of W tokens each (cu_seqlens), between which the state is stored;
 * within one it stays fp32. With --rings: calls of one token, on a checkpointed state.
 *
 *   sequence  what is decoded, and the float64 recurrence
 *   decode    the library's calls
 */
#include "profiling/state_error/decode.hpp"
#include "profiling/state_error/sequence.hpp"

#include <ssugraph/device.hpp>
#include <ssugraph/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using ssugraph::dtype;
using ssugraph::invalid_argument;
using ssugraph::target;

struct options {
  std::int64_t tokens = 4096;
  std::int64_t every = 16;
  bool rings = false;
  std::uint64_t seed = 1;
  std::string target = "host";
  std::string json;
  bool check = false;
};

struct named_format {
  const char* name;
  dtype format;
};

constexpr std::array formats{
    named_format{"fp32", dtype::float32}, named_format{"bf16", dtype::bfloat16},
    named_format{"fp16", dtype::float16}, named_format{"int16", dtype::int16},
    named_format{"int8", dtype::int8},    named_format{"fp8", dtype::float8_e4m3}};

/** What a format loses in a head of one kind. */
struct measured {
  std::string format;
  std::string kind;
  bool stochastic;
  std::int64_t every;
  double error;
};

std::optional<options> parse(int argc, const char* const* argv) {
  CLI::App app{"What each format of the state loses over many tokens"};
  app.option_defaults()->always_capture_default();
  options opts;
  app.add_option("--tokens", opts.tokens, "Of the sequence, a multiple of --every");
  app.add_option("--every", opts.every, "Tokens between two stores; each one is measured, too");
  app.add_flag("--rings", opts.rings,
               "Between two stores keep the inputs in a ring, not the state in fp32");
  app.add_option("--seed", opts.seed, "Of x, dt, B and C");
  app.add_option("--target", opts.target, "host (backend reference) or cuda (native)");
  app.add_option("--json", opts.json, "Write the figures to this file, too");
  app.add_flag("--check", opts.check, "Fail unless the formats keep the order of STATE_FORMATS.md");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return std::nullopt;
  }
  if (opts.every < 2 || opts.every > 1024)
    throw invalid_argument{"--every", "2 .. 1024", std::to_string(opts.every)};
  if (opts.rings && opts.every > 64)
    throw invalid_argument{"--every", "2 .. 64 beside --rings", std::to_string(opts.every)};
  if (opts.check && opts.every != 16)
    throw invalid_argument{"--every", "16 beside --check", std::to_string(opts.every)};
  if (opts.tokens < 2 * opts.every || opts.tokens % opts.every != 0)
    throw invalid_argument{"--tokens", "a multiple of --every, at least twice that",
                           std::to_string(opts.tokens)};
  if (opts.target != "host" && opts.target != "cuda")
    throw invalid_argument{"--target", "host or cuda", "'" + opts.target + "'"};
  if (opts.target == "cuda" && !ssugraph::has_cuda_device())
    throw invalid_argument{"--target", "a CUDA device", "none"};
  return opts;
}

std::vector<measured> measure(const options& opts) {
  const state_error::sequence given = state_error::draw(opts.tokens, opts.seed);
  const std::vector<double> right = state_error::evaluate(given);
  const target where = opts.target == "host" ? target::host : target::cuda;
  std::vector<measured> all;
  for (const auto& [name, format] : formats) {
    for (const bool stochastic : {false, true}) {
      if (stochastic && format == dtype::float32) continue;
      for (const std::int64_t every : {std::int64_t{1}, opts.every}) {
        const bool rings = opts.rings && every > 1;
        const auto out = state_error::decode(given, {format, stochastic, every, rings}, where);
        for (std::int64_t head = 0; head < state_error::nheads; ++head) {
          const std::string& kind = state_error::kinds()[static_cast<std::size_t>(head)].name;
          all.push_back(
              {name, kind, stochastic, every, state_error::relative_error(out, right, head)});
        }
      }
    }
  }
  return all;
}

/** Of the head with slow decay, unless told otherwise. */
double error_of(const std::vector<measured>& all, const std::string& format, bool stochastic,
                std::int64_t every, const std::string& kind = "slow") {
  const auto found = std::ranges::find_if(all, [&](const measured& each) {
    return each.format == format && each.stochastic == stochastic && each.every == every &&
           each.kind == kind;
  });
  return found->error;
}

/** Of a state: an element of it, and its part of a scale. */
double bytes_an_element(dtype format) {
  const double scale = ssugraph::is_scaled(format) ? double{sizeof(float)} : 0.0;
  return static_cast<double>(ssugraph::size_of(format)) + scale / state_error::dstate;
}

/** The tables of STATE_FORMATS.md. */
void print(const std::vector<measured>& all, const options& opts) {
  for (const state_error::head_kind& kind : state_error::kinds()) {
    fmt::print(
        "\n| {} | bytes an element | every token, nearest | stochastic "
        "| every {} tokens, nearest | stochastic |\n|---|---|---|---|---|---|\n",
        kind.title, opts.every);
    for (const auto& [name, format] : formats) {
      std::string line = fmt::format("| {} | {:.3g} |", name, bytes_an_element(format));
      for (const std::int64_t every : {std::int64_t{1}, opts.every}) {
        for (const bool stochastic : {false, true}) {
          const bool is_none = stochastic && format == dtype::float32;
          line += is_none
                      ? "  |"
                      : fmt::format(" {:.1e} |", error_of(all, name, stochastic, every, kind.name));
        }
      }
      fmt::print("{}\n", line);
    }
  }
}

nlohmann::json to_json(const std::vector<measured>& all, const options& opts) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [format, kind, stochastic, every, error] : all) {
    rows.push_back({{"format", format},
                    {"head", kind},
                    {"rounding", stochastic ? "stochastic" : "nearest"},
                    {"every", every},
                    {"error", error}});
  }
  return {{"options",
           {{"tokens", opts.tokens},
            {"every", opts.every},
            {"rings", opts.rings},
            {"seed", opts.seed},
            {"backend", opts.target == "host" ? "reference" : "native"}}},
          {"rows", rows}};
}

/** Throws std::runtime_error with the first sentence that does not hold. */
void check(const std::vector<measured>& all, std::int64_t every) {
  const auto require = [](bool holds, const char* sentence) {
    if (!holds) throw std::runtime_error{std::string{"--check: not so: "} + sentence};
  };
  const auto nearest = [&](const char* format, std::int64_t tokens) {
    return error_of(all, format, false, tokens);
  };
  require(nearest("fp32", 1) < 2e-6, "fp32 loses next to nothing");
  require(5 * nearest("int16", 1) < nearest("fp16", 1), "int16 is far more accurate than fp16");
  require(5 * nearest("fp16", 1) < nearest("bf16", 1), "fp16 is far more accurate than bf16");
  require(2 * nearest("int8", every) < nearest("int8", 1), "stored more rarely, int8 loses less");
  require(nearest("int8", every) < 2 * nearest("bf16", 1),
          "int8 stored rarely is about as accurate as bf16 stored at every token");
  require(nearest("fp8", 1) > 2 * nearest("int8", 1), "fp8 loses more than int8");
  require(
      error_of(all, "bf16", false, 1, "silent") > 1.5 * error_of(all, "bf16", true, 1, "silent"),
      "to nearest at every token, bf16 does not forget");
}

void run(const options& opts) {
  std::ofstream json;
  if (!opts.json.empty()) {
    json.open(opts.json);
    if (!json) throw invalid_argument{"--json", "a file that can be written", opts.json};
  }
  const std::vector<measured> all = measure(opts);
  print(all, opts);
  if (json.is_open()) json << to_json(all, opts).dump(1) << '\n';
  if (json.is_open() && !json.flush()) throw std::runtime_error{opts.json + ": cannot be written"};
  if (opts.check) check(all, opts.every);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (const std::optional<options> opts = parse(argc, argv)) run(*opts);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "state_error: {}\n", error.what());
    return 1;
  }
}
