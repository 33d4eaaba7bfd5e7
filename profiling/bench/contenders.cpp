#include "profiling/bench/contenders.hpp"

#include "lib/core/cuda_handle.hpp"
#include "lib/core/kernel_launch.hpp"
#include "profiling/bench/kernels.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace bench {
namespace {

using ssugraph::detail::check_cuda;
using ssugraph::detail::cuda_graph;
using ssugraph::detail::cuda_graph_exec;
using ssugraph::detail::kernel_launch;

constexpr double stand_in_us = 2.5;  // and half a microsecond or so to start

void launch(const cuda_graph_exec& exec, cudaStream_t stream) {
  check_cuda(cudaGraphLaunch(exec.get(), stream), "cudaGraphLaunch");
}

class lane_replay final : public replayable {
 public:
  lane_replay(ssugraph::lane lane, std::int32_t live) : lane_{std::move(lane)}, live_{live} {}

  void run(cudaStream_t stream) override { lane_.replay(live_, stream); }

 private:
  ssugraph::lane lane_;
  std::int32_t live_;
};

/** A line of launches, one graph. */
class line_replay final : public replayable {
 public:
  explicit line_replay(const std::vector<kernel_launch>& line) {
    const cuda_graph graph = ssugraph::detail::make_graph();
    std::vector<cudaGraphNode_t> last;
    for (const kernel_launch& each : line)
      last = {each.add_to(graph.get(), last)};
    exec_ = ssugraph::detail::instantiate(graph.get());
  }

  void run(cudaStream_t stream) override { launch(exec_, stream); }

 private:
  cuda_graph_exec exec_;
};

template <class Record>
cuda_graph captured(cudaStream_t stream, Record record) {
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
  record();
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  return cuda_graph{graph};
}

void remove_first_node(const cuda_graph& graph) {
  cudaGraphNode_t first = nullptr;
  std::size_t count = 1;
  check_cuda(cudaGraphGetRootNodes(graph.get(), &first, &count), "cudaGraphGetRootNodes");
  check_cuda(cudaGraphDestroyNode(first), "cudaGraphDestroyNode");
}

/** The steps of a lane as one graph, its prologue as another, which is not timed. */
class apart_replay final : public replayable {
 public:
  apart_replay(ssugraph::lane lane, std::int32_t bucket, std::int32_t live, cudaStream_t stream)
      : live_{upload(std::vector<std::int32_t>{live})}, lane_{std::move(lane)} {
    const auto* count = static_cast<const std::int32_t*>(live_.get());
    const cuda_graph prologue =
        captured(stream, [&] { lane_.record_prologue(bucket, count, stream); });
    const cuda_graph steps = captured(stream, [&] { lane_.record(bucket, count, stream); });
    remove_first_node(steps);
    prologue_ = ssugraph::detail::instantiate(prologue.get());
    steps_ = ssugraph::detail::instantiate(steps.get());
  }

  void prepare(cudaStream_t stream) override { launch(prologue_, stream); }
  void run(cudaStream_t stream) override { launch(steps_, stream); }

 private:
  device_memory live_;
  ssugraph::lane lane_;  ///< the graphs use its memory
  cuda_graph_exec prologue_;
  cuda_graph_exec steps_;
};

kernel_launch stand_in(const point& at) {
  return stand_in_launch(stand_in_us, at.stand_in_out, at.opts.between == neighbour::early);
}

ssugraph::step_function enqueueing(const kernel_launch& kernel) {
  return [kernel](const ssugraph::step_context&, ssugraph::stream_handle stream) {
    kernel.launch(stream);
  };
}

void add_layer(ssugraph::pipeline_builder& builder, const point& at, std::size_t index,
               seed_source seeds) {
  const std::string number = std::to_string(index);
  if (at.opts.between != neighbour::nothing) {
    const std::vector<ssugraph::byte_range> writes{
        {at.stand_in_out, stand_in_blocks() * sizeof(float)}};
    builder.step("between " + number, enqueueing(stand_in(at)),
                 {.writes = writes, .triggers_early = at.opts.between == neighbour::early});
  }
  // Its writes are not declared: who needs the seed waits in full, as behind torch's kernel.
  if (seeds == seed_source::kernel)
    builder.step("seed " + number, enqueueing(seed_launch(index, at.seed_out)));
  builder.ssu("layer " + number, at.model.layers[index].args(at.model.seqs));
}

ssugraph::mamba_config config_of(const options& opts, const std::string& name) {
  const std::size_t colon = name.find(':');
  ssugraph::mamba_config config{.backend = name.substr(0, colon),
                                .stochastic_rounding = opts.philox_rounds > 0,
                                .philox_rounds = opts.philox_rounds};
  if (colon != std::string::npos) config.algorithm = name.substr(colon + 1);
  return config;
}

}  // namespace

contender make_backend(const point& at, const std::string& name, seed_source seeds) {
  contender made{name, seeds, {}, {}, nullptr};
  try {
    ssugraph::pipeline_builder builder{config_of(at.opts, name),
                                       ssugraph::bucket_policy{{at.batch}}};
    builder.programmatic_dependent_launch(at.opts.pdl).recording({.checked = false});
    for (std::size_t i = 0; i < at.model.layers.size(); ++i)
      add_layer(builder, at, i, seeds);
    const ssugraph::pipeline pipeline = builder.build();
    const ssugraph::ssu_plan& plan = pipeline.plan(pipeline.step_index("layer 0"), 0);
    made.plan = plan.backend + ":" + plan.algorithm;
    ssugraph::lane lane = pipeline.make_lane(at.stream);
    const std::int32_t live = at.opts.live_of(at.batch);
    if (seeds == seed_source::none) {
      made.replay = std::make_unique<apart_replay>(std::move(lane), at.batch, live, at.stream);
    } else {
      made.replay = std::make_unique<lane_replay>(std::move(lane), live);
    }
  } catch (const ssugraph::unsupported& error) {
    made.refusal = error.refusals().front().reason;
  }
  return made;
}

contender make_floor(const point& at) {
  const bool programmatic = at.opts.pdl && floor_can_be_programmatic();
  std::vector<kernel_launch> line;
  for (const layer& each : at.model.layers) {
    if (at.opts.between != neighbour::nothing) line.push_back(stand_in(at));
    floor_job job{};
    job.state = each.state();
    job.state_bytes = at.opts.state_bytes(at.model.shape);
    job.scale = each.scale();
    job.scale_bytes = at.opts.scale_bytes(at.model.shape);
    at.model.seqs.bind(job);
    line.push_back(floor_launch(job, at.opts.live_of(at.batch)));
    line.back().set_programmatic(programmatic);
  }
  return {"floor", seed_source::none, {}, {}, std::make_unique<line_replay>(line)};
}

contender make_neighbours(const point& at) {
  const std::vector<kernel_launch> line(at.model.layers.size(), stand_in(at));
  return {"neighbours", seed_source::none, {}, {}, std::make_unique<line_replay>(line)};
}

}  // namespace bench
