#include "report.hpp"

#include <ssugraph/error.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

namespace serving_loop {
namespace {

/** The smallest value that `share` of all values do not exceed. */
double percentile(std::vector<double> values, double share) {
  const auto rank = std::max(std::ceil(share * double(values.size())), 1.0);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank) - 1;
  std::ranges::nth_element(values, at);
  return *at;
}

std::string mode(const served_shape& shape) {
  std::string text =
      shape.speculative ? fmt::format("speculative, {} tokens", shape.tokens) : "plain";
  if (shape.checkpoint > 0) text += fmt::format(", checkpoints every {}", shape.checkpoint);
  return text;
}

std::string layout(const model& model) {
  return fmt::format("{} layers, {}x{}x{}, ngroups {}, {} state", model.layers, model.nheads,
                     model.dim, model.dstate, model.ngroups, to_string(model.state_dtype));
}

}  // namespace

json_file::json_file(std::filesystem::path path) : path_{std::move(path)} {
  const bool existed = std::filesystem::exists(path_);
  if (!std::ofstream{path_, std::ios::app}) {
    throw ssugraph::invalid_argument{"--json", "a file that can be written", path_.string()};
  }
  remove_ = !existed;
}

json_file::~json_file() {
  std::error_code ignored;
  if (remove_) std::filesystem::remove(path_, ignored);
}

void json_file::write(const std::string& text) {
  std::ofstream file{path_};
  file << text << std::flush;
  if (!file) throw std::runtime_error{"--json: writing " + path_.string() + " failed"};
  remove_ = false;
}

speed measure(const serving_result& result) {
  std::vector<double> steps;
  std::vector<double> replays;
  double step_ms = 0;
  double replay_ms = 0;
  for (const step_time& each : result.times) {
    steps.push_back(each.prepare_ms + each.replay_ms);
    replays.push_back(each.replay_ms);
    step_ms += steps.back();
    replay_ms += replays.back();
  }
  return {.step_p50_ms = percentile(steps, 0.50),
          .step_p99_ms = percentile(steps, 0.99),
          .replay_p50_ms = percentile(replays, 0.50),
          .replay_p99_ms = percentile(replays, 0.99),
          .tokens_per_second = double(result.tokens) / (step_ms * 1e-3),
          .state_gigabytes_per_second = double(result.state_bytes) / (replay_ms * 1e6)};
}

std::string to_text(const trace& requests, const serving_options& options,
                    const serving_result& result) {
  const speed speed = measure(result);
  std::string text = fmt::format(
      "model             {} ({})\n"
      "mode              {}{}\n"
      "plan              {}\n"
      "machine           {}\n"
      "requests          {} in {:.1f} s of virtual time\n"
      "steps             {}\n"
      "tokens            {}\n"
      "sequences padded  {}\n",
      options.shape.model.name, layout(options.shape.model), mode(options.shape),
      options.config.stochastic_rounding ? ", stochastic rounding" : "", result.plan,
      result.machine, requests.size(), result.virtual_time.count(), result.steps, result.tokens,
      result.padded_sequences);
  for (const auto& [bucket, replays, backend, algorithm] : result.buckets) {
    text += fmt::format("bucket {:>5}      {:>8} replays, {:4.1f}%, {} {}\n", bucket, replays,
                        100 * double(replays) / double(result.steps), backend, algorithm);
  }
  text += fmt::format(
      "step              p50 {:.3f} ms, p99 {:.3f} ms (indices, resets, inputs, replay)\n"
      "replay            p50 {:.3f} ms, p99 {:.3f} ms\n"
      "tokens/s          {:.0f}\n"
      "state GB/s        {:.1f}\n"
      "wall time         {:.1f} s, checks included\n",
      speed.step_p50_ms, speed.step_p99_ms, speed.replay_p50_ms, speed.replay_p99_ms,
      speed.tokens_per_second, speed.state_gigabytes_per_second, result.wall_seconds);
  if (options.followed_requests > 0) {
    text += fmt::format(
        "check             passed: {} steps of {} requests; largest error {:.2f} (state) and "
        "{:.2f} "
        "(out) of the tolerance",
        result.checked_steps, std::min(options.followed_requests, requests.size()),
        result.worst.state, result.worst.out);
    if (options.config.stochastic_rounding && options.shape.checkpoint == 0) {
      text += fmt::format("; at most {:.2f}% rounded apart", 100 * result.worst.rounding);
    }
    text += "\n";
  }
  return text;
}

std::string to_json(const trace& requests, const serving_options& options,
                    const serving_result& result) {
  const model& model = options.shape.model;
  const speed speed = measure(result);
  nlohmann::ordered_json buckets;
  for (const auto& [bucket, replays, backend, algorithm] : result.buckets) {
    buckets.push_back(
        {{"bucket", bucket}, {"replays", replays}, {"backend", backend}, {"algorithm", algorithm}});
  }
  const nlohmann::ordered_json report{
      {"model",
       {{"name", model.name},
        {"layers", model.layers},
        {"nheads", model.nheads},
        {"dim", model.dim},
        {"dstate", model.dstate},
        {"ngroups", model.ngroups},
        {"state_dtype", to_string(model.state_dtype)}}},
      {"speculative_tokens", options.shape.speculative ? options.shape.tokens : 0},
      {"checkpoint_interval", options.shape.checkpoint},
      {"stochastic_rounding", options.config.stochastic_rounding},
      {"seed", options.seed},
      {"machine", result.machine},
      {"plan", result.plan},
      {"requests", requests.size()},
      {"virtual_seconds", result.virtual_time.count()},
      {"steps", result.steps},
      {"tokens", result.tokens},
      {"sequences_padded", result.padded_sequences},
      {"buckets", buckets},
      {"state_bytes", result.state_bytes},
      {"check",
       {{"steps", result.checked_steps},
        {"largest_state_error", result.worst.state},
        {"largest_out_error", result.worst.out},
        {"largest_share_rounded_apart", result.worst.rounding}}},
      {"time",
       {{"step_p50_ms", speed.step_p50_ms},
        {"step_p99_ms", speed.step_p99_ms},
        {"replay_p50_ms", speed.replay_p50_ms},
        {"replay_p99_ms", speed.replay_p99_ms},
        {"tokens_per_second", speed.tokens_per_second},
        {"state_gigabytes_per_second", speed.state_gigabytes_per_second},
        {"wall_seconds", result.wall_seconds}}}};
  return report.dump(2) + "\n";
}

}  // namespace serving_loop
