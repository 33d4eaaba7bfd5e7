#include "profiling/bench/report.hpp"

#include "graphs/plan/measure.hpp"
#include "lib/core/cuda_check.hpp"

#include <ssugraph/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <utility>

namespace bench {
namespace {

using ssugraph::detail::check_cuda;

std::string cuda_version() {
  int version = 0;
  check_cuda(cudaRuntimeGetVersion(&version), "cudaRuntimeGetVersion");
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

bool is_peer(const std::string& name) {
  return name.starts_with("triton") || name.starts_with("flashinfer");
}

/** Infinity: no peer serves. */
double best_peer_us(const std::vector<result>& rows, seed_source seeds) {
  double best = std::numeric_limits<double>::infinity();
  for (const result& row : rows) {
    if (row.times && row.seeds == seeds && is_peer(row.name))
      best = std::min(best, row.times->median);
  }
  return best;
}

/** Where seeds come from is only said where it is not the usual. */
std::string label_of(const result& row) {
  if (row.name == "floor" || row.seeds == seed_source::prologue) return row.name;
  return fmt::format("{} (seeds: {})", row.name, name_of(row.seeds));
}

std::string to_line(const result& row, double limit_us) {
  const std::string name = fmt::format("{:<40}", label_of(row));
  if (!row.times) return fmt::format("{} {:>9}  {}\n", name, "-", row.refusal);
  const auto& [median, p10, p90, least] = *row.times;
  const std::string over_peer = row.over_peer ? fmt::format("{:.2f}x", *row.over_peer) : "";
  return fmt::format("{} {:>9.2f} {:>9.2f} {:>9.2f} {:>6.1f}% {:>8}  {}\n", name, median, p10, p90,
                     100 * limit_us / median, over_peer, row.plan);
}

}  // namespace

machine measure_machine(const stopwatch& watch) {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  const ssugraph::detail::tuning_machine here = ssugraph::detail::machine_of({device});
  return {here.gpu, here.driver, cuda_version(), copy_rate(watch)};
}

void compare_to_peers(std::vector<result>& rows) {
  for (result& row : rows) {
    const double peer = best_peer_us(rows, row.seeds);
    if (row.times && row.name != "floor" && peer < std::numeric_limits<double>::infinity())
      row.over_peer = peer / row.times->median;
  }
}

std::string to_text(const machine& where, const options& opts) {
  return fmt::format("{}, driver {}, CUDA {}, copy {:.3f} TB/s; {} layers, {} rounds\n",
                     where.device, where.driver, where.cuda, 1e-6 * where.copy_bytes_a_us,
                     opts.layers, opts.rounds);
}

std::string table_head(const shape& s, const options& opts) {
  std::string title = fmt::format("\n{}, state {}", s.name, name_of(opts.state));
  if (opts.dim_innermost) title += " with dim innermost";
  if (opts.io != ssugraph::dtype::bfloat16) title += fmt::format(", io {}", name_of(opts.io));
  if (opts.group_type != opts.io) title += fmt::format(", B and C {}", name_of(opts.group_type));
  if (opts.philox_rounds > 0) title += fmt::format(", Philox-{}", opts.philox_rounds);
  title += ", " + to_string(opts.mode);
  if (opts.has_cu_seqlens()) title += fmt::format(" of {} tokens", opts.tokens);
  if (opts.checkpoint > 0)
    title += fmt::format(", checkpoints every {}, rings {}", opts.checkpoint, name_of(opts.ring));
  if (opts.untied) title += ", untied";
  if (opts.z) title += ", z";
  title += fmt::format(", PDL {}, between: {}; us a layer", opts.pdl ? "on" : "off",
                       name_of(opts.between));
  return fmt::format("{}\n{:<42} {:>9} {:>9} {:>9} {:>7} {:>8}\n", title, "", "median", "p10",
                     "p90", "limit", "to peer");
}

std::string to_text(const results& found) {
  std::string text = fmt::format("batch {}", found.batch);
  if (found.live != found.batch) text += fmt::format(", {} live", found.live);
  text += fmt::format(": limit {:.2f} us", found.limit_us);
  if (found.between_us > 0) text += fmt::format(", between {:.2f} us", found.between_us);
  text += '\n';
  for (const result& row : found.rows)
    text += "  " + to_line(row, found.limit_us);
  return text;
}

nlohmann::json to_json(const machine& where, const options& opts) {
  nlohmann::json seeds = nlohmann::json::array();
  for (const seed_source source : opts.seeds)
    seeds.push_back(name_of(source));
  nlohmann::json shapes = nlohmann::json::array();
  for (const shape& s : opts.shapes)
    shapes.push_back(s.name);
  return {{"device", where.device},
          {"driver", where.driver},
          {"cuda", where.cuda},
          {"copy_bytes_a_us", where.copy_bytes_a_us},
          {"options",
           {{"shapes", shapes},
            {"state", name_of(opts.state)},
            {"io", name_of(opts.io)},
            {"BC", name_of(opts.group_type)},
            {"dim_innermost", opts.dim_innermost},
            {"philox_rounds", opts.philox_rounds},
            {"mode", to_string(opts.mode)},
            {"tokens", opts.tokens},
            {"checkpoint", opts.checkpoint},
            {"ring_phase", name_of(opts.ring)},
            {"untied", opts.untied},
            {"z", opts.z},
            {"pdl", opts.pdl},
            {"layers", opts.layers},
            {"between", name_of(opts.between)},
            {"seeds", seeds},
            {"backends", opts.backends},
            {"batches", opts.batches},
            {"rounds", opts.rounds}}},
          {"rows", nlohmann::json::array()}};
}

nlohmann::json to_json(const results& found) {
  nlohmann::json rows = nlohmann::json::array();
  for (const result& row : found.rows) {
    if (!row.times) continue;
    nlohmann::json object{{"shape", found.shape.name},
                          {"batch", found.batch},
                          {"live", found.live},
                          {"bytes", found.bytes},
                          {"limit_us", found.limit_us},
                          {"between_us", found.between_us},
                          {"backend", row.name},
                          {"seeds", name_of(row.seeds)},
                          {"plan", row.plan},
                          {"us", row.times->median},
                          {"p10_us", row.times->p10},
                          {"p90_us", row.times->p90},
                          {"least_us", row.times->least}};
    if (row.over_peer) object["over_peer"] = *row.over_peer;
    rows.push_back(std::move(object));
  }
  return rows;
}

json_file::json_file(std::filesystem::path path) : path_{std::move(path)} {
  const bool existed = std::filesystem::exists(path_);
  if (!std::ofstream{path_, std::ios::app}) {
    throw ssugraph::invalid_argument{"--json", "a file that can be written", path_.string()};
  }
  if (!existed) std::filesystem::remove(path_);
}

void json_file::write(const nlohmann::json& report) const {
  std::ofstream file{path_};
  file << report.dump(1) << '\n' << std::flush;
  if (!file) throw std::runtime_error{"--json: writing " + path_.string() + " failed"};
}

}  // namespace bench
