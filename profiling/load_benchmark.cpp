/**
 * What it costs to load the library: a new process uses it for the first time. For each backend
 * that serves, one layer is built and replayed once. Milliseconds, a line each:
 *
 *     start         from exec to main: the shared library is mapped and registers its kernels
 *     context       the driver starts, and memory is allocated: no matter of the library's
 *     NAME_load     a pipeline and its lane: the kernels of that backend are loaded
 *     NAME_launch   the first replay, until the device has done it
 *     total         all of these
 *
 * Two libraries are compared by turns, many processes each, on an idle machine:
 *
 *     for i in {1..15}; do for folder in before after; do
 *       LD_LIBRARY_PATH=$folder build/release/profiling/load_benchmark | sed "s/^/$folder /"
 *     done; done
 *
 * Kernels are loaded on first use, unless CUDA_MODULE_LOADING=EAGER has them all loaded at once.
 */
#include <ssugraph/ssugraph.hpp>

#include <cuda_runtime_api.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

namespace {

using ssugraph::dtype;
using std::chrono::steady_clock;

// A shape that even the short lists of the presets `dev` and `ci` compile for every backend.
constexpr std::int64_t nheads = 8;
constexpr std::int64_t dim = 64;
constexpr std::int64_t dstate = 128;
/** Room for each tensor. */
constexpr std::size_t tensor_bytes = nheads * dim * dstate * sizeof(std::uint16_t);

void check(cudaError_t code) {
  if (code != cudaSuccess) throw std::runtime_error{cudaGetErrorString(code)};
}

/** Time since the last line, and of all. */
class stopwatch {
 public:
  explicit stopwatch(steady_clock::time_point began) : began_{began}, last_{began} {}

  void lap(const std::string& what) {
    const auto now = steady_clock::now();
    print(what, now - last_);
    last_ = steady_clock::now();
  }
  void total() const { print("total", last_ - began_); }

 private:
  static void print(const std::string& what, steady_clock::duration spent) {
    const std::chrono::duration<double, std::milli> ms = spent;
    std::printf("%-18s %9.3f\n", what.c_str(), ms.count());
  }

  steady_clock::time_point began_;
  steady_clock::time_point last_;
};

/** One layer and one sequence, all zero; the memory goes with the process. */
ssugraph::ssu_args make_args() {
  const auto zeros = [] {
    void* data = nullptr;
    check(cudaMalloc(&data, tensor_bytes));
    check(cudaMemset(data, 0, tensor_bytes));
    return data;
  };
  ssugraph::ssu_args args;
  args.state = {zeros(), dtype::bfloat16, {1, nheads, dim, dstate}};
  args.x = {zeros(), dtype::bfloat16, {1, nheads, dim}};
  args.B = {zeros(), dtype::bfloat16, {1, 1, dstate}};
  args.C = {zeros(), dtype::bfloat16, {1, 1, dstate}};
  args.dt = {zeros(), dtype::float32, {1, nheads, dim}, {nheads, 1, 0}};
  args.A = {zeros(), dtype::float32, {nheads, dim, dstate}, {1, 0, 0}};
  args.out = {zeros(), dtype::bfloat16, {1, nheads, dim}};
  args.state_batch_indices = {zeros(), dtype::int32, {1}};
  args.null_block_id = -1;
  return args;
}

void run(stopwatch watch) {
  watch.lap("start");
  if (!ssugraph::has_cuda_device()) throw std::runtime_error{"no CUDA device"};
  const ssugraph::ssu_args args = make_args();
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  check(cudaDeviceSynchronize());
  watch.lap("context");
  for (const auto& [backend, answer] : ssugraph::backends_for(args, {})) {
    if (!answer) continue;
    ssugraph::pipeline_builder builder{{.backend = backend}, ssugraph::bucket_policy{{1}}};
    ssugraph::lane lane = builder.ssu("layer", args).build().make_lane(stream);
    watch.lap(backend + "_load");
    lane.replay(1, stream);
    check(cudaStreamSynchronize(stream));
    watch.lap(backend + "_launch");
  }
  watch.total();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 1) {
      // Once more, so that what comes before main is timed, too.
      const std::string now = std::to_string(steady_clock::now().time_since_epoch().count());
      execl("/proc/self/exe", argv[0], now.c_str(), nullptr);
      throw std::runtime_error{"cannot start itself again"};
    }
    run(stopwatch{steady_clock::time_point{steady_clock::duration{std::stoll(argv[1])}}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_benchmark: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
