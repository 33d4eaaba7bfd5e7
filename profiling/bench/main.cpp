/**
 * Backends side by side: the SSU layers of a model as one graph, replayed in turns in one run.
 *
 *     bench --shape 128x64x128g8 --state bf16 --batch 1,8,64 --backend native,triton,automatic
 *
 * What is timed: one replay of the whole graph, by events of the device around it, while the stream
 * is kept busy until the host has enqueued it. A library graph has its prologue in it (but for
 * --seeds none). The figure is that time, less the time of a graph of what stands between the
 * layers alone, over the number of layers: median, p10 and p90 over the rounds, of which the first
 * three warm up and do not count.
 *
 * What it is held against:
 *   limit  every byte that must move once (state and its scales read and written, with speculative
 *          decoding written behind every token; x dt z B C out a row; A D dt_bias a layer; with
 *          rings the live rows read, the new ones written, and the states that are stored) over the
 *          rate of a device-to-device copy of 1 GiB in the same run, read and written
 *   floor  a kernel that reads and writes back the same slots, through the same index tensor, and
 *          nothing else (no rings; of states only those that are stored); as many launches as there
 *          are layers, as one graph, with the same PDL
 *   peer   the fastest of triton and flashinfer
 *
 * The state comes from memory and not from the L2 cache: each replay takes other slots, and three
 * times the cache passes between two visits of one. Every layer has tensors of its own, random. A
 * backend that does not serve prints a dash and the reason.
 *
 * With --checkpoint the cursors are put in front of each replay, untimed, where --ring-phase wants
 * them, and the prologue advances them. Spread over a batch that is no multiple of the positions, a
 * time is the mean of as many replays as bring each sequence to each position alike.
 *
 *   options     the command line
 *   layers      tensors of the layers
 *   sequences   slots, tokens and cursors of a batch, shared by the layers
 *   ring_phases where the rings of a batch are
 *   kernels     random data, the floor, what stands between layers
 *   contenders  the graphs that are replayed
 *   measure     times
 *   report      the table and the JSON
 */
#include "lib/ops/ssu/problem/traffic.hpp"
#include "lib/ops/ssu/problem/validate.hpp"
#include "profiling/bench/contenders.hpp"
#include "profiling/bench/layers.hpp"
#include "profiling/bench/measure.hpp"
#include "profiling/bench/options.hpp"
#include "profiling/bench/report.hpp"

#include <ssugraph/ssugraph.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

namespace {

/** Memory that the kernels between layers write. */
struct between_memory {
  bench::device_memory stand_in = bench::allocate(bench::stand_in_blocks() * sizeof(float));
  bench::device_memory seed = bench::allocate(sizeof(std::int64_t));
};

std::vector<bench::contender> contenders_of(const bench::point& at) {
  std::vector<bench::contender> contenders;
  if (at.opts.between != bench::neighbour::nothing) contenders.push_back(make_neighbours(at));
  contenders.push_back(make_floor(at));
  for (const std::string& name : at.opts.backends) {
    for (const bench::seed_source seeds : at.opts.seeds)
      contenders.push_back(make_backend(at, name, seeds));
  }
  return contenders;
}

/** As if every state were read and stored once. */
std::int64_t bytes_without_rings(ssugraph::ssu_args args, std::int32_t live) {
  args.x_ring = args.B_ring = args.dt_ring = args.ring_cursor = args.num_accepted_tokens = {};
  return ssugraph::detail::ssu_traffic(ssugraph::detail::validate(args, {}).problem, live);
}

std::int64_t bytes_of(const bench::point& at) {
  const ssugraph::ssu_args args = at.model.layers.front().args(at.model.seqs);
  const std::int32_t live = at.opts.live_of(at.batch);
  const std::optional<bench::ring_phases>& rings = at.model.seqs.rings();
  if (!rings)
    return ssugraph::detail::ssu_traffic(ssugraph::detail::validate(args, {}).problem, live);
  const double states = rings->checkpoints() - live;
  const double rows = rings->live_rows() + static_cast<double>(live * at.opts.tokens);
  return bytes_without_rings(args, live) +
         std::llround(states * static_cast<double>(at.opts.slot_bytes(at.model.shape)) +
                      rows * static_cast<double>(at.opts.ring_row_bytes(at.model.shape)));
}

/** A layer's share of whole replays, less `between_us`. */
bench::spread a_layer(const bench::spread& whole, int layers, double between_us) {
  const auto share = [&](double us) { return us / layers - between_us; };
  return {share(whole.median), share(whole.p10), share(whole.p90), share(whole.least)};
}

bench::results measure(const bench::point& at, bench::sequences& seqs, double copy_bytes_a_us,
                       const bench::stopwatch& watch) {
  std::vector<bench::contender> contenders = contenders_of(at);
  const std::int32_t live = at.opts.live_of(at.batch);
  seqs.start(live);
  std::vector<std::vector<double>> times = take_turns(contenders, seqs, at.opts.rounds, watch);

  const std::int64_t bytes = bytes_of(at);
  const double limit_us = static_cast<double>(bytes) / copy_bytes_a_us;
  bench::results found{at.model.shape, at.batch, live, bytes, limit_us, 0, {}};
  std::size_t first = 0;
  if (at.opts.between != bench::neighbour::nothing) {
    found.between_us = bench::spread_of(times.front()).median / at.opts.layers;
    first = 1;
  }
  for (std::size_t i = first; i < contenders.size(); ++i) {
    bench::contender& from = contenders[i];
    bench::result row{from.name, from.seeds, from.plan, from.refusal, {}, {}};
    if (!times[i].empty())
      row.times = a_layer(bench::spread_of(times[i]), at.opts.layers, found.between_us);
    found.rows.push_back(std::move(row));
  }
  bench::compare_to_peers(found.rows);
  return found;
}

void measure_shape(const bench::shape& shape, const bench::options& opts, double copy_bytes_a_us,
                   const bench::stopwatch& watch, nlohmann::json& rows) {
  bench::model model{opts, shape};
  const between_memory between;
  fmt::print("{}", bench::table_head(shape, opts));
  for (const std::int32_t batch : opts.batches) {
    const bench::point at{opts,
                          model,
                          batch,
                          static_cast<float*>(between.stand_in.get()),
                          static_cast<std::int64_t*>(between.seed.get()),
                          watch.stream()};
    const bench::results found = measure(at, model.seqs, copy_bytes_a_us, watch);
    fmt::print("{}", to_text(found));
    std::fflush(stdout);
    for (nlohmann::json& row : bench::to_json(found))
      rows.push_back(std::move(row));
  }
}

void run(const bench::options& opts) {
  std::optional<bench::json_file> json;
  if (!opts.json.empty()) json.emplace(opts.json);
  if (!ssugraph::has_cuda_device())
    throw ssugraph::invalid_argument{"device", "a CUDA device", "none"};

  const bench::stopwatch watch;
  const bench::machine machine = bench::measure_machine(watch);
  fmt::print("{}", to_text(machine, opts));
  nlohmann::json report = to_json(machine, opts);
  for (const bench::shape& shape : opts.shapes)
    measure_shape(shape, opts, machine.copy_bytes_a_us, watch, report["rows"]);
  if (json) json->write(report);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::optional<bench::options> opts = bench::parse_options(argc, argv);
    if (opts) run(*opts);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench: {}\n", error.what());
    return 1;
  }
}
