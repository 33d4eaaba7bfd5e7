#include "report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace decode_block {

std::string to_text(const decoder_report& report) {
  const model& model = report.model;
  std::string text = fmt::format(
      "model    {} ({} layers, d_model {}, {}x{}x{}, ngroups {}, bfloat16, {} state)\n"
      "plan     {}\n"
      "graph    {} nodes\n"
      "machine  {}\n",
      model.name, model.layers, model.d_model, model.nheads, model.dim, model.dstate, model.ngroups,
      to_string(model.state_dtype), report.plan, report.nodes, report.machine);
  const check_result& check = report.check;
  if (check.steps > 0) {
    text += fmt::format(
        "check    passed: {} steps, replay equal to run_eager bit for bit; {} sequences by the "
        "CPU, "
        "largest errors {:.2f} (element) and {:.2f} (rms) of the tolerance\n",
        check.steps, check.sequences, check.worst_element, check.worst_rms);
  }
  text += fmt::format("\nMicroseconds a step, median of {}; PDL: programmatic dependent launch\n\n",
                      report.rounds);
  text += fmt::format("{:>6}{:>15}{:>10}{:>15}{:>10}\n", "batch", "replay, PDL", "replay",
                      "eager, PDL", "eager");
  for (const step_times& each : report.times) {
    text += fmt::format("{:>6}{:>15.1f}{:>10.1f}{:>15.1f}{:>10.1f}\n", each.batch,
                        each.replay_overlapped, each.replay, each.eager_overlapped, each.eager);
  }
  return text;
}

std::string to_json(const decoder_report& report) {
  const model& model = report.model;
  nlohmann::ordered_json times;
  for (const step_times& each : report.times) {
    times.push_back({{"batch", each.batch},
                     {"replay_pdl_us", each.replay_overlapped},
                     {"replay_us", each.replay},
                     {"eager_pdl_us", each.eager_overlapped},
                     {"eager_us", each.eager}});
  }
  const nlohmann::ordered_json json{{"model",
                                     {{"name", model.name},
                                      {"layers", model.layers},
                                      {"d_model", model.d_model},
                                      {"nheads", model.nheads},
                                      {"dim", model.dim},
                                      {"dstate", model.dstate},
                                      {"ngroups", model.ngroups},
                                      {"state_dtype", to_string(model.state_dtype)}}},
                                    {"checkpoint_interval", model.checkpoint},
                                    {"backend", report.config.backend},
                                    {"stochastic_rounding", report.config.stochastic_rounding},
                                    {"machine", report.machine},
                                    {"plan", report.plan},
                                    {"nodes", report.nodes},
                                    {"check",
                                     {{"steps", report.check.steps},
                                      {"sequences", report.check.sequences},
                                      {"largest_element_error", report.check.worst_element},
                                      {"largest_rms_error", report.check.worst_rms}}},
                                    {"rounds", report.rounds},
                                    {"times", times}};
  return json.dump(2) + "\n";
}

}  // namespace decode_block
