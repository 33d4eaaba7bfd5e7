#pragma once

#include "tests/support/execution.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstdint>
#include <string>
#include <vector>

/** Pipelines of test cases. */
namespace ssugraph::test {

[[nodiscard]] inline place place_of(target where) {
  return where == target::host ? place::host : place::device;
}

/** How a lane runs a step: by its graph, or by its oracle. */
enum class lane_call : std::uint8_t { replay, run_eager };

/** One step of `lane`, so. */
void run(lane& lane, lane_call call, std::int32_t batch, stream_handle stream);

/** One layer built, recorded and run once; its buckets are half of the capacity, and all of it. */
[[nodiscard]] execution recorded(target where, lane_call call,
                                 const std::string& backend = "native");

/** `args` as a pipeline takes them: without a bound seed. */
[[nodiscard]] ssu_args without_seed(ssu_args args);

/** Layers in one place, that share their sequences: index and count tensors of the first serve all.
 */
class model {
 public:
  /** `chained`: x of each layer but the first is `out` of the one in front. */
  model(target where, const std::vector<ssu_case>& layers, bool chained);

  [[nodiscard]] pipeline_builder builder(bucket_policy buckets) const;
  [[nodiscard]] pipeline build(bucket_policy buckets) const { return builder(buckets).build(); }

  [[nodiscard]] std::size_t size() const { return args_.size(); }
  [[nodiscard]] const ssu_args& args(std::size_t layer) const { return args_[layer]; }
  [[nodiscard]] placed_memory& memory(std::size_t layer) { return memories_[layer]; }
  [[nodiscard]] std::vector<arena> read() const;
  void write(const std::vector<arena>& contents);

  static std::string name_of(std::size_t layer) { return "layer" + std::to_string(layer); }

 private:
  target where_;
  mamba_config config_;
  std::vector<placed_memory> memories_;
  std::vector<ssu_args> args_;
};

/** As many cases of one spec, with data of their own. */
[[nodiscard]] std::vector<ssu_case> make_layers(const case_spec& spec, std::size_t count);

}  // namespace ssugraph::test
