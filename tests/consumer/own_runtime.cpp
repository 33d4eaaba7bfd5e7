// A program with a CUDA runtime of its own beside the one inside libssugraph.so, and a tool. By
// argument: `host`, which needs no GPU, or `gpu`.

#include "layer.hpp"

#include <ssugraph/tool.hpp>

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace {

std::atomic<int> graphs_recorded = 0;

void check(cudaError_t code) {
  if (code == cudaSuccess) return;
  std::cerr << "own runtime: " << cudaGetErrorString(code) << '\n';
  std::exit(EXIT_FAILURE);
}

bool on_the_host() {
  int version = 0;
  check(cudaRuntimeGetVersion(&version));
  layer layer;
  replay_twice(&layer, ssugraph::target::host, nullptr);
  return version >= 13000 && replayed_twice(layer);
}

/** Memory, stream and copies are those of the program's runtime, the graphs those of the library's.
 */
bool on_the_gpu() {
  layer layer;
  void* memory = nullptr;
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  check(cudaMalloc(&memory, sizeof layer));
  check(cudaMemcpyAsync(memory, &layer, sizeof layer, cudaMemcpyHostToDevice, stream));
  replay_twice(static_cast<struct layer*>(memory), ssugraph::target::cuda, stream);
  check(cudaMemcpyAsync(&layer, memory, sizeof layer, cudaMemcpyDeviceToHost, stream));
  check(cudaStreamSynchronize(stream));
  check(cudaFree(memory));
  check(cudaStreamDestroy(stream));
  std::cout << graphs_recorded << " graphs reported to the tool\n";
  return replayed_twice(layer) && graphs_recorded == 1;
}

}  // namespace

void ssugraph_graph_recorded(const ssugraph::tool_graph*) {
  ++graphs_recorded;
}

int main(int argc, char** argv) {
  const std::string_view where = argc == 2 ? argv[1] : "";
  if (where == "gpu" && !ssugraph::has_cuda_device()) {
    std::cout << "skipped: no CUDA device\n";
    return EXIT_SUCCESS;
  }
  const bool right = where == "gpu" ? on_the_gpu() : where == "host" && on_the_host();
  std::cout << (right ? "right\n" : "wrong\n");
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
