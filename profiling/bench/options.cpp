#include "profiling/bench/options.hpp"

#include <ssugraph/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <string_view>
#include <system_error>
#include <vector>

namespace bench {
namespace {

using ssugraph::dtype;
using ssugraph::invalid_argument;
using ssugraph::ssu_mode;

template <class Value>
struct named {
  std::string_view name;
  Value value;
};

constexpr std::array floats{named{"fp32", dtype::float32}, named{"fp16", dtype::float16},
                            named{"bf16", dtype::bfloat16}};
constexpr std::array state_formats{floats[0],
                                   floats[1],
                                   floats[2],
                                   named{"int16", dtype::int16},
                                   named{"int8", dtype::int8},
                                   named{"fp8", dtype::float8_e4m3}};
constexpr std::array orders{named{"dstate", false}, named{"dim", true}};
constexpr std::array modes{named{"plain", ssu_mode::plain}, named{"varlen", ssu_mode::varlen},
                           named{"speculative", ssu_mode::speculative}};
constexpr std::array switches{named{"on", true}, named{"off", false}};
constexpr std::array neighbours{named{"nothing", neighbour::nothing},
                                named{"kernel", neighbour::kernel},
                                named{"early", neighbour::early}};
constexpr std::array seed_sources{named{"none", seed_source::none},
                                  named{"prologue", seed_source::prologue},
                                  named{"kernel", seed_source::kernel}};
constexpr std::array ring_phases{named{"spread", ring_phase::spread}, named{"mid", ring_phase::mid},
                                 named{"flush", ring_phase::flush}};
constexpr std::array<std::string_view, 4> backends{"native", "triton", "flashinfer", "automatic"};

/** The command line as it comes. */
struct arguments {
  std::vector<std::string> shapes{"128x64x128g8"};
  std::string state = "bf16";
  std::string io = "bf16";
  std::string group_type;
  std::string innermost = "dstate";
  int philox_rounds = 0;
  std::vector<std::int32_t> batches{1, 2, 4, 8, 16, 32, 64, 128, 256};
  std::optional<std::int32_t> live;
  std::string mode = "plain";
  std::int64_t tokens = 1;
  std::int64_t checkpoint = 0;
  std::string ring = "spread";
  bool untied = false;
  bool z = false;
  std::string pdl = "on";
  int layers = 24;
  std::string between = "nothing";
  std::vector<std::string> seeds{"prologue"};
  std::vector<std::string> backends{
      "native",   "triton", "flashinfer:simple", "flashinfer:vertical", "flashinfer:horizontal",
      "automatic"};
  int rounds = 25;
  std::string json;
};

void add_options(CLI::App& app, arguments& args) {
  app.option_defaults()->always_capture_default()->delimiter(',');
  app.add_option("--shape", args.shapes, "NHEADSxDIMxDSTATEgNGROUPS, several by commas");
  app.add_option("--state", args.state, "fp32, fp16, bf16, int16, int8 or fp8");
  app.add_option("--io", args.io, "Of x, z and out: fp32, fp16 or bf16");
  app.add_option("--BC", args.group_type, "Of B and C (default: that of --io)");
  app.add_option("--innermost", args.innermost, "What is contiguous in a state: dstate or dim");
  app.add_option("--philox-rounds", args.philox_rounds,
                 "Stochastic rounding by so many, 3 .. 10; 0: none");
  app.add_option("--batch", args.batches, "Batches, each a bucket");
  app.add_option("--live", args.live, "Live sequences in each bucket (default: all)");
  app.add_option("--mode", args.mode, "plain, varlen or speculative");
  app.add_option("--tokens", args.tokens, "Tokens of each sequence; plain: 1");
  app.add_option("--checkpoint", args.checkpoint,
                 "Store the state every so many tokens, the inputs since lie in rings; 0: always");
  app.add_option("--ring-phase", args.ring,
                 "Where the rings are: spread, mid (nobody stores) or flush (everybody does)");
  app.add_flag("--untied", args.untied, "A, dt and dt_bias differ over dim and dstate (Mamba-1)");
  app.add_flag("--z", args.z, "With the gate z");
  app.add_option("--pdl", args.pdl, "Programmatic dependent launch: on or off");
  app.add_option("--layers", args.layers, "Layers of the graph");
  app.add_option("--between", args.between,
                 "In front of each layer: nothing, kernel (3 us of somebody else's), or early (the "
                 "same kernel, and it triggers early)");
  app.add_option(
      "--seeds", args.seeds,
      "Each one that is named gets measured: none (time without the prologue), prologue, "
      "kernel (one more kernel a layer)");
  app.add_option("--backend", args.backends,
                 "Each NAME or NAME:ALGORITHM: native, triton, flashinfer, automatic");
  app.add_option("--rounds", args.rounds, "Replays of each contender and batch");
  app.add_option("--json", args.json, "Write the figures to this file, too");
}

/** As in `a, b or c`. */
template <class Names, class Projection>
std::string listed(const Names& names, Projection name) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += std::invoke(name, names[i]);
  }
  return text;
}

template <class Value, std::size_t Count>
Value parse(const char* option, const std::string& text,
            const std::array<named<Value>, Count>& names) {
  const auto found = std::ranges::find(names, text, &named<Value>::name);
  if (found != names.end()) return found->value;
  throw invalid_argument{option, listed(names, &named<Value>::name), "'" + text + "'"};
}

template <class Value, std::size_t Count>
std::string name_in(const std::array<named<Value>, Count>& names, Value value) {
  return std::string{std::ranges::find(names, value, &named<Value>::value)->name};
}

void require_range(const char* option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (least <= value && value <= most) return;
  throw invalid_argument{option, fmt::format("{} .. {}", least, most), std::to_string(value)};
}

/** Reads numbers that end at separators. */
class number_reader {
 public:
  explicit number_reader(const std::string& text) : at_{text.c_str()}, end_{at_ + text.size()} {}

  /** Whether a number from 1 to 2^16 came, and `separator` behind it ('\0': the end). */
  bool read(std::int64_t& value, char separator) {
    constexpr std::int64_t most = 1 << 16;
    const auto [stop, error] = std::from_chars(at_, end_, value);
    if (error != std::errc{} || *stop != separator || value < 1 || value > most) return false;
    at_ = stop + 1;
    return true;
  }

 private:
  const char* at_;
  const char* end_;
};

shape parse_shape(const std::string& text) {
  constexpr std::int64_t max_dstate = 256;
  shape parsed{text, 0, 0, 0, 0};
  number_reader reader{text};
  if (!reader.read(parsed.nheads, 'x') || !reader.read(parsed.dim, 'x') ||
      !reader.read(parsed.dstate, 'g') || !reader.read(parsed.ngroups, '\0')) {
    throw invalid_argument{"--shape", "NHEADSxDIMxDSTATEgNGROUPS of positive numbers",
                           "'" + text + "'"};
  }
  if (parsed.dstate > max_dstate) {
    throw invalid_argument{"--shape", "DSTATE of at most 256", "'" + text + "'"};
  }
  if (parsed.nheads % parsed.ngroups != 0) {
    throw invalid_argument{"--shape", "NGROUPS that divides NHEADS", "'" + text + "'"};
  }
  return parsed;
}

/** The algorithm is the backend's own to check. */
void check_backend(const std::string& text) {
  const std::size_t colon = text.find(':');
  const bool known = std::ranges::find(backends, text.substr(0, colon)) != backends.end();
  if (known && colon != text.size() - 1) return;
  throw invalid_argument{"--backend",
                         listed(backends, std::identity{}) + ", with or without :ALGORITHM",
                         "'" + text + "'"};
}

options checked(const arguments& args) {
  options opts{
      .shapes = {},
      .state = parse("--state", args.state, state_formats),
      .io = parse("--io", args.io, floats),
      .group_type = parse("--BC", args.group_type.empty() ? args.io : args.group_type, floats),
      .dim_innermost = parse("--innermost", args.innermost, orders),
      .philox_rounds = args.philox_rounds,
      .batches = args.batches,
      .live = args.live,
      .mode = parse("--mode", args.mode, modes),
      .tokens = args.tokens,
      .checkpoint = args.checkpoint,
      .ring = parse("--ring-phase", args.ring, ring_phases),
      .untied = args.untied,
      .z = args.z,
      .pdl = parse("--pdl", args.pdl, switches),
      .layers = args.layers,
      .between = parse("--between", args.between, neighbours),
      .seeds = {},
      .backends = args.backends,
      .rounds = args.rounds,
      .json = args.json};
  for (const std::string& text : args.shapes)
    opts.shapes.push_back(parse_shape(text));
  for (const std::string& text : args.seeds)
    opts.seeds.push_back(parse("--seeds", text, seed_sources));
  std::ranges::for_each(opts.backends, check_backend);
  return opts;
}

void check_numbers(const options& opts) {
  constexpr std::int32_t max_batch = 1 << 14;
  for (const std::int32_t batch : opts.batches)
    require_range("--batch", batch, 1, max_batch);
  if (opts.live) require_range("--live", *opts.live, 1, *std::ranges::min_element(opts.batches));
  if (opts.philox_rounds != 0) require_range("--philox-rounds", opts.philox_rounds, 3, 10);
  require_range("--tokens", opts.tokens, 1, 64);
  require_range("--layers", opts.layers, 1, 512);
  require_range("--rounds", opts.rounds, 1, 10'000);
}

void check_rings(const options& opts) {
  if (opts.checkpoint == 0 && opts.ring == ring_phase::spread) return;
  if (opts.checkpoint == 0)
    throw invalid_argument{"--ring-phase", "--checkpoint beside it",
                           "'" + name_of(opts.ring) + "'"};
  require_range("--tokens", opts.tokens, 1, 16);
  require_range("--checkpoint", opts.checkpoint, opts.tokens, 64);
  if (opts.untied)
    throw invalid_argument{"--checkpoint", "0 with --untied", std::to_string(opts.checkpoint)};
}

void check_together(const options& opts) {
  constexpr std::int64_t vector_bytes = 16;
  for (const shape& s : opts.shapes) {
    if (opts.state_bytes(s) % vector_bytes == 0 && opts.scale_bytes(s) % vector_bytes == 0)
      continue;
    throw invalid_argument{"--shape", "state of a multiple of 16 bytes, and scales of one",
                           "'" + s.name + "'"};
  }
  if (opts.mode == ssu_mode::plain && opts.tokens != 1) {
    throw invalid_argument{"--tokens", "1 with --mode plain (or another --mode)",
                           std::to_string(opts.tokens)};
  }
  if (opts.state == dtype::float32 && opts.philox_rounds != 0) {
    throw invalid_argument{"--philox-rounds", "0 with --state fp32, which is not rounded",
                           std::to_string(opts.philox_rounds)};
  }
  // Recorded elsewhere than in a lane, what is behind a kernel of somebody else waits in full.
  if (opts.between != neighbour::nothing &&
      std::ranges::find(opts.seeds, seed_source::none) != opts.seeds.end()) {
    throw invalid_argument{"--seeds", "prologue or kernel with --between", "'none'"};
  }
}

}  // namespace

std::optional<options> parse_options(int argc, const char* const* argv) {
  CLI::App app{"Backends of ssugraph side by side, under graph replay"};
  arguments args;
  add_options(app, args);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return std::nullopt;
  }
  options opts = checked(args);
  check_numbers(opts);
  check_rings(opts);
  check_together(opts);
  return opts;
}

std::string name_of(dtype type) {
  return name_in(state_formats, type);
}

std::string name_of(neighbour between) {
  return name_in(neighbours, between);
}

std::string name_of(ring_phase ring) {
  return name_in(ring_phases, ring);
}

std::string name_of(seed_source seeds) {
  return name_in(seed_sources, seeds);
}

}  // namespace bench
