/**
 * An engine that captures its model itself puts the layers of a lane into its own graph: the
 * prologue once, each step where its layer is, the live batch from device memory.
 */
#include "toy.hpp"

#include <ssugraph/ssugraph.hpp>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>

namespace {

constexpr std::int32_t bucket = toy::max_batch;
constexpr int skipped = 77;  // what ctest takes for "skipped"

/** Two layers; the engine's own work lies between them. */
struct model {
  model() {
    x.fill(-1, 1, 1);
    for (std::int32_t i = 0; i < bucket; ++i)
      slot_of[i] = i + 1;  // slot 0 is nobody's
  }

  toy::array<float> x{toy::rows};
  toy::array<float> between{toy::rows};
  toy::array<std::int32_t> slot_of{bucket};
  toy::layer first{x, slot_of, 10};
  toy::layer second{between, slot_of, 20};
};

ssugraph::pipeline_builder new_builder() {
  return {{.stochastic_rounding = true}, ssugraph::bucket_policy{{bucket}}, toy::where()};
}

#if SSUGRAPH_CUDA
/** Stands for the engine's kernels: takes the rows of the first layer to the second. */
void enqueue_between(const model& m, ssugraph::stream_handle stream) {
  toy::check(cudaMemcpyAsync(m.between.data(), m.first.out.data(), toy::rows * sizeof(float),
                             cudaMemcpyDeviceToDevice, stream),
             "cudaMemcpyAsync");
}

cudaGraphExec_t capture(ssugraph::lane& lane, const model& m, const std::int32_t* live,
                        ssugraph::stream_handle stream) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  toy::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
  lane.record_prologue(bucket, live, stream);
  lane.record_step(0, stream);
  enqueue_between(m, stream);
  lane.record_step(1, stream);
  toy::check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  toy::check(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate");
  toy::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  return exec;
}

/** Launches for changing batches, each beside the same layers as a pipeline with a custom step. */
void run() {
  const model captured;
  const model replayed;
  const toy::stream stream;
  const toy::array<std::int32_t> live{1};
  ssugraph::pipeline_builder layers = new_builder();
  layers.ssu("first", captured.first.args).ssu("second", captured.second.args);
  ssugraph::lane lane = layers.build().make_lane(stream.get());
  cudaGraphExec_t exec = capture(lane, captured, live.data(), stream.get());

  const auto between = [&](const auto&, auto on) { enqueue_between(replayed, on); };
  ssugraph::pipeline_builder whole = new_builder();
  whole.ssu("first", replayed.first.args).step("between", between);
  whole.ssu("second", replayed.second.args);
  ssugraph::lane other = whole.build().make_lane(stream.get());

  for (const std::int32_t batch : {3, 8, 1}) {
    live[0] = batch;
    toy::check(cudaGraphLaunch(exec, stream.get()), "cudaGraphLaunch");
    other.replay(batch, stream.get());
    stream.wait();
    toy::expect(toy::same_bits(captured.second.out, replayed.second.out), "equal outputs");
    toy::expect(toy::same_bits(captured.second.state, replayed.second.state), "equal states");
  }
  toy::expect(lane.random_state() == other.random_state(), "equal random states");
  toy::check(cudaGraphExecDestroy(exec), "cudaGraphExecDestroy");  // before its lane goes
  std::cout << "own_capture: the engine's graph does what a replay does, bit for bit\n";
}
#endif

/** Without a GPU there is no capture: a host lane refuses to record, and goes on replaying. */
void run_on_host() {
  const model m;
  const std::int32_t live = 3;
  ssugraph::lane lane = new_builder().ssu("first", m.first.args).build().make_lane(nullptr);
  try {
    lane.record_prologue(bucket, &live, nullptr);
    toy::expect(false, "a host lane records nothing");
  } catch (const ssugraph::invalid_state& error) {
    std::cout << "own_capture: skipped, no CUDA device: " << error.what() << '\n';
  }
  lane.replay(live, nullptr);
  toy::expect(m.first.out[0] != 0, "the layer ran");
}

}  // namespace

int main() {
  try {
#if SSUGRAPH_CUDA
    if (toy::on_gpu()) return run(), EXIT_SUCCESS;
#endif
    return run_on_host(), skipped;
  } catch (const std::exception& error) {
    std::cerr << "own_capture: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
